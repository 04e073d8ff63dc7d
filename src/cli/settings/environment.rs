//! The settings of the environment: `FEMTOTORRENT_DOWN_LIMIT=2M` is `down-limit = 2M`.
//!
//! A name that is nearly one of an option is a slip, and the run ends: whoever has set a limit would not want to find
//! out later that there was none. Any other name is somebody else's, and is only warned about: images and services set
//! such as `FEMTOTORRENT_VERSION` without asking us. A variable that is set to nothing is not set.

use super::options::{self, is_fit, near};
use super::{Origin, Setting};
use crate::cli::hook;
use crate::text::excerpt;
use clap::Command;
use std::ffi::OsString;

const PREFIX: &str = "FEMTOTORRENT_";
/// The most characters of a name that are shown.
const MOST_SHOWN: usize = 60;

/// The settings in these variables, by their names, and what to warn of.
///
/// # Errors
///
/// A variable was meant for us and cannot be used.
pub fn settings(
    variables: impl Iterator<Item = (OsString, OsString)>,
    program: &Command,
) -> Result<(Vec<Setting>, Vec<String>), String> {
    let ours = |(name, value): (OsString, OsString)| {
        let key = name.to_str()?.strip_prefix(PREFIX)?.to_owned();
        Some((key, value)).filter(|(key, value)| !key.is_empty() && !value.is_empty() && !hook::is_fact(key))
    };
    let mut ours: Vec<(String, OsString)> = variables.filter_map(ours).collect();
    ours.sort();
    let (mut settings, mut warnings) = (Vec::new(), Vec::new());
    for (name, value) in ours {
        let key = name.to_ascii_lowercase().replace('_', "-");
        let shown = format!("{PREFIX}{}", excerpt(&name, MOST_SHOWN));
        if !options::commands(program).any(|command| is_fit(command, &key)) {
            match near(program, &key) {
                Some(near) => {
                    let near = near.to_ascii_uppercase().replace('-', "_");
                    return Err(format!("{shown}: there is no such variable (did you mean {PREFIX}{near}?)"));
                }
                None => warnings.push(format!("{shown} is no variable of ours, and is ignored")),
            }
            continue;
        }
        let value = value.into_string().map_err(|_| format!("{shown}: its value is not UTF-8"))?;
        let origin = Origin::Variable(shown);
        settings.push(Setting { command: None, key, value: Some(value), origin });
    }
    Ok((settings, warnings))
}
