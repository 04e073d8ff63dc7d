//! Which settings are in force for a command line.
//!
//! One rule: what is said later beats what was said before and says otherwise, be it the same option or one that cannot
//! be used beside it. Options that can be given several times collect, over all places.
//!
//! One exception: a proxy that is for everything protects the user, and no other option turns it off in silence. It beats
//! the settings that cannot be had with it, wherever they stand. If the command line asks for one of them, the run ends.

use super::options::{Meaning, meaning, option};
use super::{Setting, Settings};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsString;

/// Options of which the last one counts, besides those of which clap knows that they cannot be used together.
pub(super) const OPPOSITES: [(&str, &str); 2] = [("quiet", "verbose"), ("map_port", "no_map_port")];
/// What `create` writes into a torrent, and other commands have under the same name.
pub(super) const INTO_A_TORRENT: [(&str, &str); 2] = [("create", "trackers"), ("create", "web_seeds")];
/// What cannot be had with a proxy for everything; of trackers, those that are asked by UDP.
pub(super) const PAST_A_PROXY: [&str; 4] = ["port", "dht_nodes", "map_port", "trackers"];

/// A setting that a command has an option for, and what becomes of it.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// What the user has written.
    pub setting: &'a Setting,
    /// The option of the command.
    pub option: &'a Arg,
    /// What it says about the option.
    pub meaning: Meaning,
    /// What says otherwise, and counts more.
    pub beaten_by: Option<String>,
}

/// An option on the command line.
struct Typed<'a> {
    option: &'a Arg,
    values: Vec<String>,
}

/// All settings that the command has an option for, in their order. `typed` are the words of the user, if there are any.
///
/// # Errors
///
/// A value is not one of its option, or the command line goes against a proxy.
pub fn verdicts<'a>(
    settings: &'a Settings,
    command: &'a Command,
    typed: Option<&ArgMatches>,
) -> Result<Vec<Verdict<'a>>, String> {
    let typed = typed.map(|typed| typed_options(command, typed)).unwrap_or_default();
    let mut verdicts = Vec::new();
    for setting in &settings.all {
        let Some(option) = option(command, &setting.key).filter(|option| is_for(setting, command, option))
        else {
            continue;
        };
        verdicts.push(Verdict { setting, option, meaning: meaning(setting, option)?, beaten_by: None });
    }
    yield_to_proxy(&mut verdicts, &typed)?;
    for number in (0..verdicts.len()).rev() {
        let (before, after) = verdicts.split_at_mut(number + 1);
        let Some(verdict) = before.last_mut().filter(|verdict| verdict.beaten_by.is_none()) else { continue };
        let says_no = verdict.meaning == Meaning::Times(0);
        let is_same = |other: &Arg| other.get_id() == verdict.option.get_id();
        let otherwise = |other: &Arg, no: bool| {
            are_against(command, verdict.option, other) && (is_same(other) || !no && !says_no)
        };
        let by_typed = typed.iter().find(|typed| otherwise(typed.option, false)).map(Typed::shown);
        let by_setting = after.iter().find(|later| {
            later.beaten_by.is_none() && otherwise(later.option, later.meaning == Meaning::Times(0))
        });
        verdict.beaten_by = by_typed.or_else(|| by_setting.map(Verdict::shown));
    }
    Ok(verdicts)
}

/// Whether a setting is meant for an option of this command. What is set for all commands is nothing that a new torrent
/// should have in it.
fn is_for(setting: &Setting, command: &Command, option: &Arg) -> bool {
    let is_written = INTO_A_TORRENT.contains(&(command.get_name(), option.get_id().as_str()));
    setting.command.as_deref().map_or(!is_written, |name| name == command.get_name())
}

/// Has all settings that cannot be had with the proxy yield to it.
fn yield_to_proxy(verdicts: &mut [Verdict<'_>], typed: &[Typed<'_>]) -> Result<(), String> {
    let typed_proxy = typed.iter().find(|typed| typed.option.get_id() == "proxy");
    let last = verdicts.iter().rev().find(|verdict| verdict.option.get_id() == "proxy");
    let winner = match (typed_proxy, last) {
        (Some(proxy), _) => proxy.values.iter().any(|value| value != "none").then(|| proxy.shown()),
        (None, Some(proxy)) if proxy.meaning != Meaning::Value("none".to_owned()) => {
            let against =
                typed.iter().find(|typed| typed.values.iter().any(|value| is_past(typed.option, value)));
            if let Some(against) = against {
                return Err(format!(
                    "{} cannot be used with the proxy that is set in {} (--proxy none leaves it out)",
                    against.shown(),
                    proxy.setting.origin
                ));
            }
            Some(proxy.shown())
        }
        _ => None,
    };
    for verdict in verdicts.iter_mut().filter(|_| winner.is_some()) {
        let is_past = match &verdict.meaning {
            Meaning::Value(value) => is_past(verdict.option, value),
            Meaning::Times(times) => *times > 0 && is_past(verdict.option, ""),
        };
        if is_past {
            verdict.beaten_by.clone_from(&winner);
        }
    }
    Ok(())
}

/// Whether this would go past a proxy.
fn is_past(option: &Arg, value: &str) -> bool {
    let is_by_udp = || value.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("udp://"));
    let id = option.get_id().as_str();
    PAST_A_PROXY.contains(&id) && (id != "trackers" || is_by_udp())
}

/// Whether of these two options one alone can count.
fn are_against(command: &Command, one: &Arg, other: &Arg) -> bool {
    let (first, second) = (one.get_id(), other.get_id());
    if first == second {
        return !matches!(one.get_action(), ArgAction::Append);
    }
    let conflict =
        |one, other: &Arg| command.get_arg_conflicts_with(one).iter().any(|it| it.get_id() == other.get_id());
    let opposite = |(a, b): &(&str, &str)| first == a && second == b || first == b && second == a;
    OPPOSITES.iter().any(opposite) || conflict(one, other) || conflict(other, one)
}

/// The options that the user has typed.
fn typed_options<'a>(command: &'a Command, typed: &ArgMatches) -> Vec<Typed<'a>> {
    let is_typed = |option: &&Arg| {
        typed.ids().any(|id| id == option.get_id())
            && typed.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine)
    };
    let values = |option: &Arg| {
        let raw = typed.get_raw(option.get_id().as_str()).into_iter().flatten();
        raw.map(|value| value.to_string_lossy().into_owned()).collect()
    };
    let options = command.get_arguments().filter(|option| option.get_long().is_some());
    options.filter(is_typed).map(|option| Typed { option, values: values(option) }).collect()
}

impl Typed<'_> {
    fn shown(&self) -> String {
        format!("--{}", self.option.get_long().unwrap_or_default())
    }
}

impl Verdict<'_> {
    /// The words that say the same on the command line.
    pub fn words(&self) -> Vec<OsString> {
        let name = format!("--{}", self.option.get_long().unwrap_or_default());
        match &self.meaning {
            Meaning::Value(value) => vec![format!("{name}={value}").into()],
            Meaning::Times(times) => vec![name.into(); usize::from(*times)],
        }
    }

    fn shown(&self) -> String {
        format!("{} ({})", self.setting.key, self.setting.origin.short())
    }
}
