//! The option that says whether connections to peers are encrypted.

use super::help::headings::NETWORK;
use crate::strategy::Encryption;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Whether connections to peers are encrypted.
#[derive(Args, Clone, Copy, Debug)]
pub struct EncryptionOption {
    /// When to encrypt connections to peers
    ///
    /// `off`: never. `allow`: if the peer wants it. `prefer`: if the peer can. `require`: always. Encryption hides from
    /// a provider what a connection is, and proves nothing about the peer.
    #[arg(long, value_name = "WHEN", default_value = "allow", value_parser = encryption(), help_heading = NETWORK)]
    pub encryption: Encryption,
}

fn encryption() -> impl TypedValueParser<Value = Encryption> {
    PossibleValuesParser::new(["off", "allow", "prefer", "require"]).map(|when| match when.as_str() {
        "off" => Encryption::Off,
        "prefer" => Encryption::Prefer,
        "require" => Encryption::Require,
        _ => Encryption::Allow,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        option: EncryptionOption,
    }

    #[test]
    fn each_word_is_understood_and_none_is_allow() {
        let parse = |words: &[&str]| {
            let words = ["program"].iter().chain(words);
            Command::try_parse_from(words).map(|command| command.option.encryption).ok()
        };
        assert_eq!(parse(&[]), Some(Encryption::Allow));
        for (word, expected) in [
            ("off", Some(Encryption::Off)),
            ("allow", Some(Encryption::Allow)),
            ("prefer", Some(Encryption::Prefer)),
            ("require", Some(Encryption::Require)),
            ("always", None),
        ] {
            assert_eq!(parse(&["--encryption", word]), expected, "{word}");
        }
    }
}
