//! The options by which we present ourselves as another program: some trackers admit only programs that they know.

use super::help::headings::NETWORK;
use crate::session::ClientName;
use clap::Args;

/// As which program we present ourselves.
#[derive(Args, Debug)]
pub struct ClientNameOptions {
    /// Begin the peer ID with this [default: -FM0100-]
    ///
    /// For trackers that admit listed programs only; many forbid it.
    #[arg(
        long,
        value_name = "PREFIX",
        value_parser = peer_id_prefix,
        allow_hyphen_values = true,
        help_heading = NETWORK
    )]
    pub peer_id_prefix: Option<String>,
    /// Identify as this to HTTP trackers [default: femtotorrent/VERSION]
    ///
    /// For trackers that admit listed programs only; many forbid it.
    #[arg(long, value_name = "TEXT", value_parser = user_agent, help_heading = NETWORK)]
    pub user_agent: Option<String>,
}

impl ClientNameOptions {
    /// The name, which is our own unless the user has given another.
    pub fn name(&self) -> ClientName {
        let ours = ClientName::default();
        ClientName {
            peer_id_prefix: self.peer_id_prefix.clone().unwrap_or(ours.peer_id_prefix),
            user_agent: self.user_agent.clone().unwrap_or(ours.user_agent),
        }
    }
}

/// What a peer ID may begin with.
fn peer_id_prefix(text: &str) -> Result<String, String> {
    match text.len() <= 20 && is_printable(text) {
        true => Ok(text.to_owned()),
        false => Err("at most 20 ASCII characters such as -XX1234- are expected".to_owned()),
    }
}

/// What a header of HTTP can carry.
fn user_agent(text: &str) -> Result<String, String> {
    match (1..=200).contains(&text.len()) && is_printable(text) {
        true => Ok(text.to_owned()),
        false => Err("up to 200 ASCII characters such as Name/1.2 are expected".to_owned()),
    }
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_fits_into_a_peer_id_and_a_header_is_taken() {
        for good in ["", "-XX1234-", "a b", "abcdefghijklmnopqrst"] {
            assert_eq!(peer_id_prefix(good), Ok(good.to_owned()));
        }
        for bad in ["abcdefghijklmnopqrstu", "\n", "-\u{e9}-", "\0", "\u{7f}"] {
            assert!(peer_id_prefix(bad).is_err(), "{bad:?}");
        }
        assert_eq!(user_agent("Name/1.2 (x)"), Ok("Name/1.2 (x)".to_owned()));
        for bad in ["", "a\r\nb: c", "\t", "\u{e9}", &"x".repeat(201)] {
            assert!(user_agent(bad).is_err(), "{bad:?}");
        }
    }
}
