//! Symbolic links in a payload that is only read: the user's own are followed, no others.

use std::fs;
use std::os::unix::fs::{lchown, symlink};
use std::path::Path;

use femtotorrent::storage::FileState::{self, Good, Missing};

use crate::sample::{OPTIONS, OVERWRITE, Sample, failure, states};
use crate::support::folder::TestFolder;
use crate::support::skip::skip;

/// Some user who is neither us nor root.
const NOBODY: u32 = 65534;

/// A payload whose files `t/a` and `t/d/b` are in the folder `away`. `root` is to have links in their place.
fn taken_away() -> (Sample, TestFolder) {
    let sample = Sample::new(1000, &[("t/a", 2000), ("t/d/b", 2000), ("t/z", 2000)]);
    let folder = TestFolder::new();
    let root = folder.path().join("root");
    sample.complete(&root, OPTIONS);
    fs::create_dir(folder.path().join("away")).unwrap();
    for path in ["a", "d"] {
        fs::rename(root.join("t").join(path), folder.path().join("away").join(path)).unwrap();
    }
    (sample, folder)
}

fn link(folder: &TestFolder, target: &str, path: &str) {
    symlink(target, folder.path().join(path)).unwrap();
}

fn found(sample: &Sample, folder: &TestFolder) -> Vec<FileState> {
    states(&sample.examine(&folder.path().join("root")).unwrap())
}

#[test]
fn links_are_followed_over_any_way_that_the_user_has_laid() {
    let (sample, folder) = taken_away();
    assert_eq!(found(&sample, &folder), [Missing, Missing, Good]);
    // From link to link, upwards, and from the root of the file system.
    link(&folder, "../../step/./a", "root/t/a");
    link(&folder, "away/../away/", "step");
    link(&folder, folder.path().join("away/d").to_str().unwrap(), "root/t/d");
    assert_eq!(found(&sample, &folder), [Good, Good, Good]);
}

#[test]
fn a_way_that_leads_nowhere_or_in_a_circle_has_an_end() {
    let (sample, folder) = taken_away();
    for target in ["a", "../../circle/a", "missing", "../../away/a/below", "../../away", "/dev/zero", "/"] {
        link(&folder, target, "root/t/a");
        link(&folder, "circle", "circle");
        assert_eq!(found(&sample, &folder), [Missing, Missing, Good], "{target}");
        for path in ["root/t/a", "circle"] {
            fs::remove_file(folder.path().join(path)).unwrap();
        }
    }
}

#[test]
fn a_link_of_another_user_is_not_followed_wherever_it_is_on_the_way() {
    let (sample, folder) = taken_away();
    link(&folder, "../../step/a", "root/t/a");
    link(&folder, "away", "step");
    link(&folder, "../../away/d", "root/t/d");
    let give_away = |path: &str| lchown(folder.path().join(path), Some(NOBODY), None).is_ok();
    if !give_away("step") {
        return skip("only root can give files to others");
    }
    assert_eq!(found(&sample, &folder), [Missing, Good, Good]);
    assert!(give_away("root/t/d"));
    assert_eq!(found(&sample, &folder), [Missing, Missing, Good]);
    // That the files are others' does not matter.
    let give_back = |path: &str| lchown(folder.path().join(path), Some(0), None).unwrap();
    ["step", "root/t/d"].into_iter().for_each(give_back);
    assert!(give_away("away/a") && give_away("away/d"));
    assert_eq!(found(&sample, &folder), [Good, Good, Good]);
}

#[test]
fn a_download_follows_no_link_even_if_all_is_there() {
    let (sample, folder) = taken_away();
    link(&folder, "../../away/a", "root/t/a");
    link(&folder, "../../away/d", "root/t/d");
    assert_eq!(found(&sample, &folder), [Good, Good, Good]);
    let root: &Path = &folder.path().join("root");
    for options in [OPTIONS, OVERWRITE] {
        let error = failure(sample.open(root, options));
        assert!(
            error.exit_code() == 15 && error.to_string().contains("a symbolic link is in the way"),
            "{error}"
        );
    }
}
