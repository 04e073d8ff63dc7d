//! The log: what `-v` and `RUST_LOG` have this program say, one line for each message, on standard error.

use super::super::watch::log_ring;
use super::{Lines, Tone, has_colours, painted, pen};
use crate::text::{fixed, printable, without_error_numbers};
use log::{Level, LevelFilter, Record};
use std::io::{self, Write};
use std::time::Instant;

/// Starts the log on standard error. With `-v` each line begins with the seconds since the start. `RUST_LOG` can select
/// more than `-v`, but only of what this program says: a library would show the headers of requests, with the passwords
/// in them.
pub fn start_log(verbose: u8, quiet: bool) {
    pen::open();
    let level = match (verbose, quiet) {
        (_, true) => LevelFilter::Error,
        (0, false) => LevelFilter::Warn,
        (1, false) => LevelFilter::Debug,
        (2.., false) => LevelFilter::Trace,
    };
    let start = (verbose > 0).then(Instant::now);
    let logger = env_logger::Builder::new()
        .filter_module("femtotorrent", level)
        .parse_default_env()
        .target(env_logger::Target::Pipe(Box::new(Lines)))
        .format(move |out, record| {
            write_record(out, record, start.map(|start| start.elapsed().as_secs_f64()), has_colours())
        })
        .build();
    let level = logger.filter();
    log_ring::start(logger, level);
}

fn write_record(
    out: &mut impl Write,
    record: &Record<'_>,
    seconds: Option<f64>,
    in_colour: bool,
) -> io::Result<()> {
    if record.target().split("::").next() != Some("femtotorrent") {
        return Ok(());
    }
    if let Some(seconds) = seconds {
        write!(out, "{} ", fixed(seconds, 3))?;
    }
    // A stranger that could begin a line could write the log.
    let text = printable(&without_error_numbers(&record.args().to_string()));
    match (record.level(), text.strip_prefix("femtotorrent: ")) {
        (Level::Error, Some(text)) => {
            writeln!(out, "{} {text}", painted(Tone::Error, "femtotorrent:", in_colour))
        }
        (Level::Warn, _) => writeln!(out, "{} {text}", painted(Tone::Warning, "warning:", in_colour)),
        _ => writeln!(out, "{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(out: &mut Vec<u8>, target: &str, level: Level, seconds: Option<f64>, text: &str) {
        let mut record = Record::builder();
        record.target(target).level(level);
        write_record(out, &record.args(format_args!("{text}")).build(), seconds, false).unwrap();
    }

    #[test]
    fn the_log_has_one_line_for_each_message_of_ours_and_none_of_a_library() {
        let mut out = Vec::new();
        for target in ["femtotorrent", "femtotorrent::tracker", "femtotorrent_2", "ureq", "rustls::client"] {
            let words = format!("{target} says\x1b[2J\u{202e}\nfemtotorrent: done");
            log(&mut out, target, Level::Info, None, &words);
        }
        let expected = "says\u{fffd}[2J\u{fffd} femtotorrent: done\n";
        let expected = format!("femtotorrent {expected}femtotorrent::tracker {expected}");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_log_says_how_grave_it_is_and_when_it_came() {
        for (level, seconds, text, expected) in [
            (Level::Warn, None, "no room (os error 28)", "warning: no room\n"),
            (Level::Error, None, "femtotorrent: no", "femtotorrent: no\n"),
            (Level::Debug, Some(12.3451), "a peer", "12.345 a peer\n"),
        ] {
            let mut out = Vec::new();
            log(&mut out, "femtotorrent", level, seconds, text);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
