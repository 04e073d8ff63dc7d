//! Whether the shell has put us into the background, as it does with what stands before an `&`, and whether there is one
//! that can have us go on where we were stopped.

/// Whether we have a terminal, and another process group is in its foreground. It is not known without `/proc`.
pub fn is_in_background() -> bool {
    std::fs::read_to_string("/proc/self/stat").is_ok_and(|stat| says_background(&stat))
}

/// What `/proc/PID/stat` says (proc_pid_stat(5)): the fifth field is the process group, the eighth the group in the
/// foreground of the terminal, -1 without one.
fn says_background(stat: &str) -> bool {
    // The name of the program may have blanks and parentheses in it.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let mut numbers = fields.skip(2).map(str::parse::<i64>);
    match (numbers.next(), numbers.nth(2)) {
        (Some(Ok(group)), Some(Ok(foreground))) => foreground > 0 && foreground != group,
        _ => false,
    }
}

/// The most processes above us that are looked at.
#[cfg(feature = "watch")]
const MOST_ABOVE: usize = 32;

/// Whether somebody can have us go on when Ctrl-Z has stopped us: a shell that gives its commands process groups of their
/// own. Where there is none the system leaves Ctrl-Z without effect (POSIX, orphaned process groups). Not known, and so
/// false, without `/proc`.
#[cfg(feature = "watch")]
pub fn can_go_on() -> bool {
    has_shell("self", |process| std::fs::read_to_string(format!("/proc/{process}/stat")).ok())
}

/// Whether one of the processes above this one is in its session but not in its group.
#[cfg(feature = "watch")]
fn has_shell(process: &str, stat: impl Fn(&str) -> Option<String>) -> bool {
    // Its parent, its group and its session.
    let family = |process: &str| -> Option<[i64; 3]> {
        let stat = stat(process)?;
        let mut numbers = stat.rsplit_once(')')?.1.split_whitespace().skip(1).map(str::parse::<i64>);
        Some([numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?])
    };
    let Some([mut parent, group, session]) = family(process) else { return false };
    for _ in 0..MOST_ABOVE {
        match family(&parent.to_string()) {
            Some([above, its_group, its_session]) if its_session == session => {
                if its_group != group {
                    return true;
                }
                parent = above;
            }
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_group_at_our_terminal_means_the_background() {
        for (stat, expected) in [
            ("7 (a) b) S 1 7 7 34816 9 4194304", true),
            ("7 (ab) S 1 7 7 34816 7 4194304", false),
            ("7 (ab) S 1 7 7 0 -1 4194304", false),
            ("7 (ab) S 1 7", false),
            ("", false),
        ] {
            assert_eq!(says_background(stat), expected, "{stat}");
        }
    }

    #[test]
    #[cfg(feature = "watch")]
    fn a_shell_above_us_in_our_session_and_in_another_group_can_have_us_go_on() {
        let terminal = ("2", "2 (xterm) S 1 2 2 0 -1");
        for (expected, processes) in [
            (true, &[("self", "9 (ab) S 5 9 5 1 9"), ("5", "5 (ba) sh) S 2 5 5 1 9"), terminal][..]),
            // A script in between.
            (
                true,
                &[("self", "9 (ab) S 8 8 5 1 8"), ("8", "8 (sh) S 5 8 5 1 8"), ("5", "5 (sh) S 2 5 5 1 8")],
            ),
            // A shell that gives no groups, and none at all.
            (false, &[("self", "9 (ab) S 5 5 5 1 5"), ("5", "5 (sh) S 2 5 5 1 5"), terminal]),
            (false, &[("self", "9 (ab) S 2 9 9 1 9"), terminal]),
            (false, &[("self", "9 (ab) S 9 9 9 1 9"), ("9", "9 (ab) S 9 9 9 1 9")]),
            (false, &[("self", "9 (ab)")]),
            (false, &[]),
        ] {
            let stat = |process: &str| {
                let found = processes.iter().find(|(name, _)| *name == process);
                found.map(|(_, stat)| (*stat).to_owned())
            };
            assert_eq!(has_shell("self", stat), expected, "{processes:?}");
        }
    }
}
