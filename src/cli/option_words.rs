//! An option in words: its names, why it refuses a value, and the value as it is shown. The command line says the same of
//! them as the settings.

use super::source;
use crate::text::excerpt;
use clap::Arg;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error;

/// The most characters of a value that an error shows.
const MOST_SHOWN: usize = 120;

/// The long names of an option.
pub fn names(option: &Arg) -> impl Iterator<Item = &str> {
    option.get_long().into_iter().chain(option.get_all_aliases().unwrap_or_default())
}

/// The single letters of an option.
pub fn letters(option: &Arg) -> impl Iterator<Item = char> {
    option.get_short().into_iter().chain(option.get_all_short_aliases().unwrap_or_default())
}

/// Why a value is refused: what the option says of it, or what it takes instead. `None` if it is not about a value.
pub fn why_refused(error: &clap::Error) -> Option<String> {
    if !matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) {
        return None;
    }
    if let Some(why) = error.source() {
        return Some(in_plain_words(why.to_string()));
    }
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(known)) if !known.is_empty() => {
            Some(format!("one of {} is expected", known.join(", ")))
        }
        _ => None,
    }
}

/// What the standard library and clap say of numbers, as a user reads it.
fn in_plain_words(why: String) -> String {
    let range = why.split_once(" is not in ").and_then(|(_, range)| range.split_once("..="));
    match range {
        Some((first, last)) => format!("a number from {first} to {last} is expected"),
        None if why.contains("invalid digit") => "a number is expected".to_owned(),
        None if why.starts_with("number too large") => "the number is too large".to_owned(),
        None => why,
    }
}

/// A value as it is shown. Messages are posted in public, so there is no password in it.
pub fn shown(key: &str, value: &str) -> String {
    let is_address = value.contains("://");
    let hidden = match value.rsplit_once('@').filter(|_| is_address || key == "proxy") {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            let sign = if scheme.is_empty() { "" } else { "://" };
            source::shown(&format!("{scheme}{sign}{host}")).replacen(sign, &format!("{sign}***@"), 1)
        }
        None => source::shown(value),
    };
    excerpt(&hidden, MOST_SHOWN)
}
