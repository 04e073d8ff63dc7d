//! One option as the help shows it: its names and its value, and what it does.

use clap::{Arg, ArgAction};

/// Whether the help has this option: those for the help itself are not listed, for whoever reads them has found them.
pub fn is_shown(option: &Arg) -> bool {
    !option.is_hide_set() && option.get_id() != "help" && option.get_id() != "version"
}

/// Its names and its value: `-o, --output-dir DIR`, `--stdout[=FORMAT]`. What is no option is its value alone: `TORRENT...`.
pub fn term(option: &Arg) -> String {
    let mut term = match (option.get_short(), option.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (None, Some(long)) => format!("    --{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, None) => String::new(),
    };
    if let Some(value) = value_name(option) {
        // Without the sign it would be taken for a torrent.
        if option.is_require_equals_set() {
            return format!("{term}[={value}]");
        }
        if !term.is_empty() {
            term.push(' ');
        }
        match option.get_num_args() {
            Some(count) if count.min_values() == 0 => term.push_str(&format!("[{value}]")),
            _ => term.push_str(value),
        }
    }
    if option.is_positional() && is_repeatable(option) {
        term.push_str("...");
    }
    term
}

/// What it does, in the words of its doc comment: the first paragraph, or all of it (`is_whole`), with its values and
/// its other names.
pub fn meaning(option: &Arg, is_whole: bool) -> String {
    let mut meaning = option.get_help().map(ToString::to_string).unwrap_or_default();
    let whole = option.get_long_help().map(ToString::to_string);
    if let Some((_, more)) = whole.as_deref().and_then(|whole| whole.split_once("\n\n")).filter(|_| is_whole)
    {
        meaning.push_str(". ");
        meaning.push_str(more);
    }
    if is_whole {
        push_list(&mut meaning, "values", values(option));
    }
    if option.get_action().takes_values() {
        let defaults = option.get_default_values().iter();
        push_list(
            &mut meaning,
            "default",
            defaults.map(|value| value.to_string_lossy().into_owned()).collect(),
        );
    }
    if is_whole {
        if !option.is_positional() && is_repeatable(option) {
            meaning.push_str(" [repeatable]");
        }
        let short = option.get_visible_short_aliases().unwrap_or_default();
        let long = option.get_visible_aliases().unwrap_or_default();
        let short = short.iter().map(|one| format!("-{one}"));
        push_list(&mut meaning, "also", short.chain(long.iter().map(|one| format!("--{one}"))).collect());
    }
    meaning
}

fn push_list(text: &mut String, label: &str, list: Vec<String>) {
    if !list.is_empty() {
        text.push_str(" [");
        text.push_str(label);
        text.push_str(": ");
        text.push_str(&list.join(", "));
        text.push(']');
    }
}

fn value_name(option: &Arg) -> Option<&str> {
    let names = option.get_value_names().filter(|_| option.get_action().takes_values());
    names?.first().map(|name| name.as_str())
}

/// The words that may stand for its value. Empty where others may.
pub fn values(option: &Arg) -> Vec<String> {
    if !option.get_action().takes_values() {
        return Vec::new();
    }
    option.get_possible_values().iter().map(|word| word.get_name().to_owned()).collect()
}

fn is_repeatable(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Append)
}
