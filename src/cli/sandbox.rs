//! What the process may touch from now on: Landlock, by which a process on Linux gives up rights for good.
//!
//! A stranger who finds a defect of this program should find no way to the user's other files. So when the torrents
//! are read and before the first packet is received, `get` gives up to write anywhere but in its output folder and in
//! the cache, and to read anywhere but there and where the system keeps what looking up a name needs. `seed` writes
//! nowhere but in the cache. It may read everything, since links in its payload may lead anywhere.
//!
//! Connections are not restricted, nor is anything that is open already. Threads have the rights of the thread that
//! started them, so this has to run before they start: all but the one that runs the user's program (`hook`), and those
//! that only write to what is open, which give up everything (`give_up_all`). A kernel without Landlock (before 5.13,
//! or where it is off) restricts nothing, and one with an old version of it restricts less.

use crate::storage;
use crate::text::printable;
use landlock::{
    ABI, Access, AccessFs, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus,
};
use log::debug;
use std::path::{Path, PathBuf};

/// The newest version whose rights we know. A kernel that has an older one ignores the rest.
const KNOWN: ABI = ABI::V5;
/// What may be read everywhere, or is needed to look up a name: settings that may be replaced while we run, libraries
/// that the C library loads when it needs them, devices, and what the system says of this process and its network.
const SYSTEM: [&str; 14] = [
    "/etc",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/proc",
    "/sys/fs/cgroup",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/run/nscd",
    "/dev",
    // Where some systems keep all libraries and most of what `/etc` leads to.
    "/nix/store",
    "/gnu/store",
];
/// What the C library looks up names with. Many a system has a link here that leads to anywhere: to `/mnt/wsl`, to the
/// folder in `/run` of whatever connects it.
const FOR_NAMES: [&str; 5] =
    ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"];

/// What is left to a process.
#[derive(Debug)]
pub struct Sandbox {
    /// A folder in which it may do everything. It is created if it does not exist.
    pub output: Option<PathBuf>,
    /// Another one. The run can do without it.
    pub cache: Option<PathBuf>,
    /// Whether it may read everything. Otherwise it reads only there and what the system needs.
    pub reads_all: bool,
}

impl Sandbox {
    /// Restricts this thread, and all that it starts from now on. What cannot be done is said in the log.
    pub fn enter(&self) {
        let output = self.output.as_deref().map(here);
        // Its name is synced here, since nothing above it can be opened afterwards.
        if let Some(failed) = output.filter(|path| storage::create_folder(path).is_err()) {
            // The run will end with an error, and explains it better if it may look around.
            return debug!("nothing is restricted: there is no {}", printable(&failed.to_string_lossy()));
        }
        let cache = self.cache.as_deref().filter(|path| std::fs::create_dir_all(path).is_ok());
        let places: Vec<&Path> = output.into_iter().chain(cache).collect();
        match self.restrict(&places) {
            Ok(RulesetStatus::NotEnforced) => debug!("this kernel restricts nothing (it has no Landlock)"),
            Ok(status) => {
                let names: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
                let how =
                    if status == RulesetStatus::FullyEnforced { "" } else { ", as far as this kernel can" };
                debug!("from now on we write only to {}{how}", printable(&names.join(", ")));
            }
            Err(error) => debug!("nothing is restricted: {error}"),
        }
    }

    fn restrict(&self, places: &[&Path]) -> Result<RulesetStatus, RulesetError> {
        let all = AccessFs::from_all(KNOWN);
        let reads = AccessFs::ReadFile | AccessFs::ReadDir;
        let handled = if self.reads_all { all & !(reads | AccessFs::Execute) } else { all };
        let mut rules = Ruleset::default().handle_access(handled)?.create()?;
        for place in places {
            rules = allow(rules, place, handled & !BitFlags::from(AccessFs::Execute))?;
        }
        for place in SYSTEM.iter().filter(|_| !self.reads_all) {
            rules = allow(rules, Path::new(place), reads)?;
        }
        for file in FOR_NAMES.iter().filter(|_| !self.reads_all) {
            rules = allow_file(rules, Path::new(file))?;
        }
        // Terminals, and what throws everything away.
        rules = allow(rules, Path::new("/dev"), handled & (AccessFs::WriteFile | AccessFs::IoctlDev))?;
        Ok(rules.restrict_self()?.ruleset)
    }
}

/// Gives up all files, for this thread alone: all that it needs is open. For those that write down what strangers say, and
/// are started before the process knows what it may give up. What they cannot miss needs no option to keep it.
pub fn give_up_all() {
    let all = AccessFs::from_all(KNOWN);
    let given_up = Ruleset::default().handle_access(all).and_then(|rules| rules.create()?.restrict_self());
    if let Err(error) = given_up {
        debug!("a thread keeps its rights to files: {error}");
    }
}

/// Allows this below a path, if it exists.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    match PathFd::new(path) {
        Ok(path) => rules.add_rule(PathBeneath::new(path, access)),
        Err(_) => Ok(rules),
    }
}

/// Allows to read the file that a path leads to, and no more of its folder: that may be anybody's. Whatever connects
/// the host to another network replaces the file, but what does so has a folder of its own in `/run`.
fn allow_file(rules: RulesetCreated, path: &Path) -> Result<RulesetCreated, RulesetError> {
    let Some(file) = path.canonicalize().ok().filter(|file| file.is_file()) else { return Ok(rules) };
    let folder = file.parent().filter(|folder| folder.starts_with("/run") && *folder != Path::new("/run"));
    match folder {
        Some(folder) => allow(rules, folder, AccessFs::ReadFile | AccessFs::ReadDir),
        None => allow(rules, &file, AccessFs::ReadFile.into()),
    }
}

/// The empty path is the current folder.
fn here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::NewFolder;
    use std::fs;
    use std::io::ErrorKind;

    /// Whether this kernel has Landlock. Where it has none there is nothing to be tested. It is not asked by what is tested,
    /// which would pass where it fails.
    fn is_there() -> bool {
        let status = std::thread::spawn(|| {
            let rules = Ruleset::default().handle_access(AccessFs::from_all(ABI::V1))?;
            rules.create()?.restrict_self()
        });
        status.join().unwrap().is_ok_and(|status| status.ruleset != RulesetStatus::NotEnforced)
    }

    fn denied<T>(outcome: std::io::Result<T>) -> bool {
        outcome.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    }

    #[test]
    fn only_the_folders_that_were_named_can_be_touched_also_by_threads_that_start_later() {
        if !is_there() {
            return;
        }
        let folder = NewFolder::somewhere();
        let (inside, outside) = (folder.0.join("new/inside"), folder.0.join("outside"));
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("precious"), "precious").unwrap();
        for reads_all in [false, true] {
            let (inside, outside) = (inside.clone(), outside.clone());
            let restricted = std::thread::spawn(move || {
                Sandbox { output: Some(inside.clone()), cache: None, reads_all }.enter();
                std::thread::spawn(move || {
                    let precious = outside.join("precious");
                    assert!(denied(fs::write(outside.join("new"), "")), "create");
                    assert!(denied(fs::write(&precious, "")), "truncate");
                    assert!(denied(fs::OpenOptions::new().append(true).open(&precious)), "write");
                    assert!(denied(fs::remove_file(&precious)), "remove");
                    assert!(denied(fs::create_dir(outside.join("folder"))), "make a folder");
                    assert!(fs::rename(&precious, inside.join("precious")).is_err(), "move");
                    std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
                    assert!(denied(fs::write(inside.join("link/new"), "")), "create through a link");
                    fs::remove_file(inside.join("link")).unwrap();
                    assert_eq!(denied(fs::read(&precious)), !reads_all, "read");
                    assert_eq!(denied(fs::read_dir(&outside)), !reads_all, "list");
                    // What a run does.
                    fs::write(inside.join("a"), "a").unwrap();
                    fs::create_dir_all(inside.join("sub/folder")).unwrap();
                    fs::rename(inside.join("a"), inside.join("sub/folder/b")).unwrap();
                    assert_eq!(fs::read(inside.join("sub/folder/b")).unwrap(), b"a");
                    fs::File::open(&inside).and_then(|folder| folder.sync_all()).unwrap();
                    fs::remove_dir_all(inside.join("sub")).unwrap();
                    fs::write("/dev/null", "x").unwrap();
                    fs::read("/proc/self/status").unwrap();
                })
                .join()
                .unwrap();
            });
            restricted.join().unwrap();
        }
        assert_eq!(fs::read(outside.join("precious")).unwrap(), b"precious");
    }

    #[test]
    fn a_thread_that_needs_nothing_touches_nothing_and_goes_on_writing_to_what_is_open() {
        if !is_there() {
            return;
        }
        let folder = NewFolder::somewhere();
        fs::create_dir_all(&folder.0).unwrap();
        let path = folder.0.join("trace");
        let mut open = fs::File::create(&path).unwrap();
        let its = path.clone();
        let restricted = std::thread::spawn(move || {
            give_up_all();
            std::io::Write::write_all(&mut open, b"words").unwrap();
            assert!(denied(fs::read(&its)) && denied(fs::write(&its, "")) && denied(fs::remove_file(&its)));
            assert!(denied(fs::read("/etc/passwd")));
        });
        restricted.join().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"words", "and this thread has all rights");
    }

    #[test]
    fn a_file_for_names_can_be_read_wherever_its_link_leads_and_nothing_beside_it() {
        if !is_there() {
            return;
        }
        let folder = NewFolder::somewhere();
        fs::create_dir_all(folder.0.join("elsewhere")).unwrap();
        let (link, file) = (folder.0.join("resolv.conf"), folder.0.join("elsewhere/resolv.conf"));
        fs::write(&file, "nameserver 192.0.2.1").unwrap();
        fs::write(folder.0.join("elsewhere/precious"), "precious").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let place = folder.0.clone();
        let restricted = std::thread::spawn(move || {
            let rules =
                Ruleset::default().handle_access(AccessFs::from_all(KNOWN)).unwrap().create().unwrap();
            let rules = allow_file(rules, &link).and_then(|rules| allow_file(rules, &place)).unwrap();
            rules.restrict_self().unwrap();
            assert_eq!(fs::read_to_string(&link).unwrap(), "nameserver 192.0.2.1");
            assert!(denied(fs::read(place.join("elsewhere/precious"))) && denied(fs::write(&link, "")));
        });
        restricted.join().unwrap();
    }

    #[test]
    fn without_an_output_folder_the_run_may_complain_and_without_a_cache_it_goes_on_restricted() {
        let folder = NewFolder::somewhere();
        fs::create_dir_all(&folder.0).unwrap();
        let (file, beside) = (folder.0.join("file"), folder.0.join("beside"));
        fs::write(&file, "").unwrap();
        let nowhere = Some(file.join("in-a-file"));
        for (output, cache, restricts) in [(nowhere.clone(), None, false), (None, nowhere, is_there())] {
            let beside = beside.clone();
            let run = std::thread::spawn(move || {
                Sandbox { output, cache, reads_all: false }.enter();
                denied(fs::write(beside, ""))
            });
            assert_eq!(run.join().unwrap(), restricts);
        }
    }
}
