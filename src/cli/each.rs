//! One torrent after the other, for the commands that only look: `show` and `verify`.
//!
//! Runs on the main thread. One that fails does not keep the others from their turn.

use super::exit::Exit;
use super::runs::CommandFailure;
use super::source;
use super::source_list::NamedSource;
use super::terminal::say;
use std::io::Write;

/// Runs the command for each of the sources. Several get a line each on `out`, as `head` writes it, if that is for
/// people. Returns the first exit code that is a failure's. Once the user stops one, the others are not begun.
///
/// # Errors
///
/// There is only one source, and it fails.
pub fn each<Out: Write>(
    sources: &[NamedSource],
    for_people: bool,
    out: &mut Out,
    run: &mut dyn FnMut(&str, &mut Out) -> Result<Exit, CommandFailure>,
) -> Result<Exit, CommandFailure> {
    let is_one = sources.len() == 1;
    let mut first = Exit::DONE;
    for (number, source) in sources.iter().enumerate() {
        if for_people && !is_one {
            let gap = if number == 0 { "" } else { "\n" };
            let head = writeln!(out, "{gap}==> {} <==", source::shown(&source.name));
            // Nobody reads it: the reader of the output is gone.
            if head.and_then(|()| out.flush()).is_err() {
                break;
            }
        }
        let exit = match run(&source.name, out) {
            Ok(exit) => exit,
            Err((exit, message)) if is_one => return Err((exit, source.locate(message))),
            Err((exit, message)) => {
                say(&format!("femtotorrent: {}", source.locate(message)));
                exit
            }
        };
        if first == Exit::DONE {
            first = exit;
        }
        if exit == Exit::UNFINISHED {
            break;
        }
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(names: &[&str]) -> Vec<NamedSource> {
        names.iter().map(|name| NamedSource { name: (*name).to_owned(), place: None }).collect()
    }

    fn run(names: &[&str], for_people: bool) -> (Result<Exit, CommandFailure>, String) {
        let mut out = Vec::new();
        let exit = each(&sources(names), for_people, &mut out, &mut |name, out| {
            writeln!(out, "{name}").unwrap();
            match name.parse() {
                Ok(code) => Ok(Exit(code)),
                Err(_) => Err((Exit::BAD_TORRENT, "bad".to_owned())),
            }
        });
        (exit, String::from_utf8(out).unwrap())
    }

    #[test]
    fn one_that_fails_does_not_stop_the_others_and_gives_the_code() {
        let (exit, out) = run(&["0", "x", "32", "0"], true);
        assert_eq!(exit, Ok(Exit::BAD_TORRENT));
        assert_eq!(out, "==> 0 <==\n0\n\n==> x <==\nx\n\n==> 32 <==\n32\n\n==> 0 <==\n0\n");
        assert_eq!(run(&["0", "0"], false), (Ok(Exit::DONE), "0\n0\n".to_owned()));
    }

    #[test]
    fn one_alone_has_no_line_of_its_own_and_its_error_is_the_programs() {
        assert_eq!(run(&["32"], true), (Ok(Exit(32)), "32\n".to_owned()));
        assert_eq!(run(&["x"], true).0, Err((Exit::BAD_TORRENT, "bad".to_owned())));
    }

    #[test]
    fn what_the_user_stops_stays_stopped() {
        assert_eq!(run(&["7", "0"], false), (Ok(Exit::UNFINISHED), "7\n".to_owned()));
    }
}
