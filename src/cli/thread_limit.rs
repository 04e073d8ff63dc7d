//! Whether the system says that we may start as many threads as we like.
//!
//! Only counting shows how many there may be, and it takes three milliseconds, a third of what a small torrent takes
//! as a whole. Most hosts set no limit that we could meet. On Linux two are written down: that of the user
//! (`ulimit -u`), and that of the control groups that we are in, by which containers and services are limited. Where
//! both are read and far away, nobody has to count. Where one of them cannot be read, we count.

use std::fs;
use std::path::{Path, PathBuf};

/// A limit of this many threads or more is far away, if it is also twice what we need: it is for everything that a
/// user or a container runs.
const FAR: u64 = 4096;
/// Where the control groups are, by custom.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// Whether it says so, for so many threads. False if it does not say.
pub fn is_far(threads: usize) -> bool {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    let far = FAR.max((threads as u64).saturating_mul(2));
    user_limit_is_far(&text("/proc/self/limits"), far)
        && control_groups_are_far(&text("/proc/self/cgroup"), Path::new(CONTROL_GROUPS), far)
}

/// By the lines of `/proc/self/limits`, which have a name, the soft limit and the hard one.
fn user_limit_is_far(limits: &str, far: u64) -> bool {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max processes"));
    line.and_then(|line| line.split_whitespace().next())
        .is_some_and(|limit| is_far_or(limit, "unlimited", far))
}

/// By the lines of `/proc/self/cgroup`, which have a number, controllers and a path: one line for all controllers
/// (version 2), or one for that of threads, `pids` (version 1).
fn control_groups_are_far(groups: &str, root: &Path, far: u64) -> bool {
    let parts = groups.lines().map(|line| line.splitn(3, ':').collect::<Vec<_>>());
    let lines: Vec<(String, String)> = parts
        .filter_map(|parts| Some((parts.get(1)?.to_string(), parts.get(2)?.to_string())))
        .filter(|(controllers, _)| controllers.split(',').any(|name| name == "pids" || name.is_empty()))
        .collect();
    let of_version_1 = lines.iter().find(|(controllers, _)| !controllers.is_empty());
    let (root, path) = match (of_version_1, lines.first()) {
        (Some((controllers, path)), _) => (root.join(controllers), path),
        (None, Some((_, path))) => (root.to_owned(), path),
        (None, None) => return false,
    };
    // A limit above us holds for us as well.
    let mut folder: PathBuf = root;
    let mut folders = vec![folder.clone()];
    for name in path.split('/').filter(|name| !name.is_empty()) {
        folder.push(name);
        folders.push(folder.clone());
    }
    folders.iter().all(|folder| match fs::read_to_string(folder.join("pids.max")) {
        Ok(limit) => is_far_or(limit.trim(), "max", far),
        // The group of the whole host has none.
        Err(_) => folder.is_dir(),
    })
}

fn is_far_or(limit: &str, none: &str, far: u64) -> bool {
    limit == none || limit.parse::<u64>().is_ok_and(|limit| limit >= far)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::NewFolder;

    #[test]
    fn the_soft_limit_of_the_user_counts() {
        let limits = |soft: &str| {
            format!("Limit  Soft Limit\nMax processes   {soft}   99999   processes\nMax open files 9 9")
        };
        for (soft, far) in
            [("unlimited", true), ("96365", true), ("4096", true), ("4095", false), ("20", false)]
        {
            assert_eq!(user_limit_is_far(&limits(soft), FAR), far, "{soft}");
        }
        assert!(!user_limit_is_far("", FAR) && !user_limit_is_far("Max processes", FAR));
        assert!(user_limit_is_far(&limits("9000"), 9000) && !user_limit_is_far(&limits("9000"), 9001));
    }

    #[test]
    fn the_limits_of_all_control_groups_around_us_count_and_what_cannot_be_read_is_none() {
        let place = NewFolder::somewhere();
        let group = |path: &str, limit: &str| {
            fs::create_dir_all(place.0.join(path)).unwrap();
            fs::write(place.0.join(path).join("pids.max"), limit).unwrap();
        };
        let far = |groups: &str| control_groups_are_far(groups, &place.0, FAR);
        group("user/inside", "max\n");
        assert!(far("0::/") && far("0::/user/inside\n"));
        group("user", "5000\n");
        assert!(far("0::/user/inside"));
        group("user", "20\n");
        assert!(far("0::/") && !far("0::/user/inside") && !far("0::/user"));
        assert!(!far("0::/nowhere") && !far("") && !far("5:memory:/"));
        // Version 1: the controller has a folder of its own, and version 2 may be there beside it.
        assert!(!far("8:pids:/\n0::/"), "there is no such folder");
        group("pids/docker", "max");
        assert!(far("8:pids:/docker\n5:memory:/other\n0::/user"));
        group("pids/docker", "30");
        assert!(!far("8:pids:/docker\n0::/"));
    }
}
