//! The settings of the environment: `FEMTOTORRENT_DOWN_LIMIT=2M` is `down-limit = 2M`.
//!
//! A name that is nearly one of an option is a slip, and the run ends: whoever has set a limit would not want to find
//! out later that there was none. Any other name is somebody else's, and is only warned about: images and services set
//! such as `FEMTOTORRENT_VERSION` without asking us. A variable that is set to nothing is not set.
//!
//! Kubernetes and Docker describe each service to the containers beside it: one called `femtotorrent` sets
//! `FEMTOTORRENT_PORT=tcp://10.0.0.1:6881` and more. Nobody typed that and nobody can leave it out, so it is no setting,
//! and a word at `-v` is enough.

use super::options::{self, is_fit, near};
use super::{Origin, Setting};
use crate::cli::hook;
use crate::text::excerpt;
use clap::Command;
use std::ffi::{OsStr, OsString};

const PREFIX: &str = "FEMTOTORRENT_";
/// The most characters of a name that are shown.
const MOST_SHOWN: usize = 60;

/// What the variables say.
#[derive(Debug, Default)]
pub struct OfVariables {
    /// The settings, by their names.
    pub settings: Vec<Setting>,
    /// What to warn of.
    pub warnings: Vec<String>,
    /// What to say to whoever wants to know everything.
    pub notes: Vec<String>,
}

/// Reads these variables.
///
/// # Errors
///
/// A variable was meant for us and cannot be used.
pub fn settings(
    variables: impl Iterator<Item = (OsString, OsString)>,
    program: &Command,
) -> Result<OfVariables, String> {
    let ours = |(name, value): (OsString, OsString)| {
        let key = name.to_str()?.strip_prefix(PREFIX)?.to_owned();
        Some((key, value)).filter(|(key, value)| !key.is_empty() && !value.is_empty() && !hook::is_fact(key))
    };
    let mut ours: Vec<(String, OsString)> = variables.filter_map(ours).collect();
    ours.sort_unstable();
    let mut found = OfVariables::default();
    for (name, value) in ours {
        if describes_a_service(&name, &value) {
            let name = excerpt(&name, MOST_SHOWN);
            found.notes.push(format!("{PREFIX}{name} describes a service of this name, and is ignored"));
            continue;
        }
        let key = name.to_ascii_lowercase().replace('_', "-");
        let shown = format!("{PREFIX}{}", excerpt(&name, MOST_SHOWN));
        if !options::commands(program).any(|command| is_fit(command, &key)) {
            match near(program, &key) {
                Some(near) => {
                    let near = near.to_ascii_uppercase().replace('-', "_");
                    return Err(format!("{shown}: there is no such variable (did you mean {PREFIX}{near}?)"));
                }
                None => found.warnings.push(format!("{shown} is no variable of ours, and is ignored")),
            }
            continue;
        }
        let value = value.into_string().map_err(|_| format!("{shown}: its value is not UTF-8"))?;
        let origin = Origin::Variable(shown);
        found.settings.push(Setting { command: None, key, value: Some(value), origin });
    }
    Ok(found)
}

/// Whether this is one of the variables that describe a service to containers beside it: `SERVICE_HOST`, `SERVICE_PORT`,
/// `SERVICE_PORT_HTTP`, `PORT` with an address of a protocol, `PORT_6881_TCP` and those that begin with it.
fn describes_a_service(name: &str, value: &OsStr) -> bool {
    let begins_with = |protocol: &&str| value.to_str().is_some_and(|value| value.starts_with(protocol));
    let is_of_a_port = |rest: &str| {
        let (number, rest) = rest.split_once('_').unwrap_or_default();
        let protocol = rest.split('_').next().unwrap_or_default();
        number.parse::<u16>().is_ok() && ["TCP", "UDP", "SCTP"].contains(&protocol)
    };
    match name {
        "PORT" => ["tcp://", "udp://", "sctp://"].iter().any(begins_with),
        "SERVICE_HOST" | "SERVICE_PORT" => true,
        _ => name.starts_with("SERVICE_PORT_") || name.strip_prefix("PORT_").is_some_and(is_of_a_port),
    }
}
