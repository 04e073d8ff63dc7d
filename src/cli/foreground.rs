//! Whether the shell has put us into the background, as it does with what stands before an `&`.

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
}
