//! One torrent after the other, for the commands that only look: `show` and `verify`.
//!
//! Runs on the main thread. One that fails does not keep the others from their turn.

use super::exit::{CommandFailure, Exit};
use super::json;
use super::source;
use super::source_list::NamedSource;
use super::terminal::say_error;
use std::io::Write;

/// What a command prints on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Text, for people.
    Text,
    /// An object for each torrent.
    Json,
    /// Nothing.
    Nothing,
}

/// Runs the command for each of the sources. Several get a line each on `out`, as `head` writes it, if that is for
/// people. For programs, one of several that fails gets an object all the same. Returns the first exit code that is a
/// failure's. Once the user stops one, the others are not begun.
///
/// # Errors
///
/// There is only one source, and it fails.
pub fn each<Out: Write>(
    sources: &[NamedSource],
    shape: Shape,
    out: &mut Out,
    run: &mut dyn FnMut(&str, &mut Out) -> Result<Exit, CommandFailure>,
) -> Result<Exit, CommandFailure> {
    let is_one = sources.len() == 1;
    let mut first = Exit::DONE;
    for (number, source) in sources.iter().enumerate() {
        if shape == Shape::Text && !is_one {
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
                let message = source.locate(message);
                if shape == Shape::Json {
                    // This fails if the reader is gone.
                    let _ = json::write(out, &json::failure(exit, &message));
                }
                say_error(&message);
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

    fn run(names: &[&str], shape: Shape) -> (Result<Exit, CommandFailure>, String) {
        let mut out = Vec::new();
        let exit = each(&sources(names), shape, &mut out, &mut |name, out| {
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
        let (exit, out) = run(&["0", "x", "32", "0"], Shape::Text);
        assert_eq!(exit, Ok(Exit::BAD_TORRENT));
        assert_eq!(out, "==> 0 <==\n0\n\n==> x <==\nx\n\n==> 32 <==\n32\n\n==> 0 <==\n0\n");
        assert_eq!(run(&["0", "0"], Shape::Nothing), (Ok(Exit::DONE), "0\n0\n".to_owned()));
    }

    #[test]
    fn for_programs_each_of_several_has_an_object_also_one_that_fails() {
        let (exit, out) = run(&["0", "x", "0"], Shape::Json);
        assert_eq!(exit, Ok(Exit::BAD_TORRENT));
        let failure = "{\n  \"error\": \"bad\",\n  \"exit_code\": 26,\n  \"format\": 1\n}\n";
        assert_eq!(out, format!("0\nx\n{failure}0\n"));
        // That of one alone is printed where the program ends.
        assert_eq!(run(&["x"], Shape::Json).1, "x\n");
    }

    #[test]
    fn one_alone_has_no_line_of_its_own_and_its_error_is_the_programs() {
        assert_eq!(run(&["32"], Shape::Text), (Ok(Exit(32)), "32\n".to_owned()));
        assert_eq!(run(&["x"], Shape::Text).0, Err((Exit::BAD_TORRENT, "bad".to_owned())));
    }

    #[test]
    fn what_the_user_stops_stays_stopped() {
        assert_eq!(run(&["7", "0"], Shape::Nothing), (Ok(Exit::UNFINISHED), "7\n".to_owned()));
    }
}
