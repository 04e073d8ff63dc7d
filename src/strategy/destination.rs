//! Where a stranger may send us.
//!
//! A torrent, a magnet link and a server that redirects name addresses, and we send what they want to hear
//! there. A stranger that could name any address would use us to ask hosts that it cannot reach itself: the
//! router, a service on loopback that trusts all who can reach it, the metadata of a cloud at
//! 169.254.169.254. This is known as server-side request forgery.
//!
//! So one function decides, [`may_ask`]. It gets an address and not a name, because a name can be given
//! another address at any time: its caller has looked the name up, and connects to the very address that was
//! allowed. Redirects are asked about one by one. Which peers may tell us which peers is decided by
//! [`may_share`](super::may_share), by the same idea: nobody sends us nearer to ourselves than it is itself.

use super::is_near_name;
use crate::address::{Reach, canonical, could_be_a_peer};
use std::fmt;
use std::net::SocketAddr;

/// On whose word we ask an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnWordOf {
    /// The user typed it.
    User,
    /// A torrent or a magnet link names it.
    Torrent,
    /// A server at an address of this reach redirected us to it.
    Server(Reach),
}

/// What an address is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// To take part in a torrent, by HTTP at the path `/announce`: only a tracker has that path.
    Announce,
    /// The same by UDP (BEP 15). The first packet has 16 bytes, of which nobody else chooses one, and no
    /// other follows before it was answered.
    Packet,
    /// Anything else, by HTTP.
    Web,
}

/// Why an address is not asked. The message names the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// We listen for peers there.
    OurOwn(SocketAddr),
    /// No host can be there.
    NoHost(SocketAddr),
    /// A torrent names it, and it is in our own network or on this host.
    Near(SocketAddr),
    /// A server redirects us to an address that is nearer to us than its own.
    Nearer(SocketAddr),
    /// A stranger names a host by a name that only a local network knows, and only the proxy would see where it leads.
    NearName,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::OurOwn(at) => write!(out, "{at} is our own listening port"),
            Refusal::NoHost(at) => write!(out, "{at} is not the address of a host"),
            Refusal::Near(at) => write!(
                out,
                "{at} is {}, where a torrent may name only trackers with the path /announce (if you trust it, \
                 name it yourself, with --tracker or --web-seed)",
                place(*at)
            ),
            Refusal::Nearer(at) => write!(
                out,
                "it redirects to {at}, which is {}: not followed (if you trust it, name that \
                 address yourself)",
                place(*at)
            ),
            Refusal::NearName => write!(
                out,
                "its name belongs to a local network, where a torrent or server may not send us through a proxy \
                 (if you trust it, name that address yourself)"
            ),
        }
    }
}

impl std::error::Error for Refusal {}

fn place(at: SocketAddr) -> &'static str {
    match Reach::of(at.ip()) {
        Reach::Host => "on this host",
        Reach::Network => "in the local network",
        Reach::Internet => "on the internet",
    }
}

/// Whether this address may be asked that, on that word. `is_ours` says whether we listen for peers there.
///
/// # Errors
///
/// Why not.
pub fn may_ask(word: OnWordOf, question: Question, to: SocketAddr, is_ours: bool) -> Result<(), Refusal> {
    let to = canonical(to);
    if is_ours {
        return Err(Refusal::OurOwn(to));
    }
    let reach = Reach::of(to.ip());
    match (word, question) {
        (OnWordOf::User, _) => Ok(()),
        _ if !could_be_a_peer(to) => Err(Refusal::NoHost(to)),
        (OnWordOf::Torrent, Question::Web) if reach > Reach::Internet => Err(Refusal::Near(to)),
        (OnWordOf::Server(from), _) if reach > from => Err(Refusal::Nearer(to)),
        _ => Ok(()),
    }
}

/// The same for a host of which only the name is known, since a proxy looks it up: whether it may be asked that, on
/// that word. What the name leads to cannot be judged.
///
/// # Errors
///
/// Why not.
pub fn may_ask_name(word: OnWordOf, question: Question, host: &str) -> Result<(), Refusal> {
    match (word, question) {
        (OnWordOf::User, _) | (OnWordOf::Torrent, Question::Announce | Question::Packet) => Ok(()),
        (OnWordOf::Server(from), _) if from > Reach::Internet => Ok(()),
        _ if is_near_name(host) => Err(Refusal::NearName),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: &[&str] = &["1.2.3.4:80", "[2a00::1]:443", "[64:ff9b::1.2.3.4]:80", "[2002:102:304::1]:80"];
    const NEAR: &[&str] = &[
        "10.0.0.1:80",
        "172.16.0.1:80",
        "192.168.1.1:80",
        "169.254.169.254:80",
        "100.64.0.1:80",
        "[fd00::1]:80",
        "[fe80::1%2]:80",
        "[::ffff:10.0.0.1]:80",
        "[64:ff9b::192.168.1.1]:80",
        "[2002:a00:1::1]:80",
    ];
    const HERE: &[&str] =
        &["127.0.0.1:80", "127.1.2.3:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "[64:ff9b::127.0.0.1]:80"];
    const NOWHERE: &[&str] =
        &["0.0.0.0:80", "[::]:80", "224.0.0.1:80", "255.255.255.255:80", "[ff02::1]:80", "1.2.3.4:0"];

    fn rings() -> [(Reach, Vec<SocketAddr>); 3] {
        let parsed = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        [(Reach::Internet, parsed(FAR)), (Reach::Network, parsed(NEAR)), (Reach::Host, parsed(HERE))]
    }

    #[test]
    fn what_the_user_typed_needs_no_permission() {
        for text in [FAR, NEAR, HERE, NOWHERE].concat() {
            for question in [Question::Announce, Question::Packet, Question::Web] {
                assert_eq!(may_ask(OnWordOf::User, question, text.parse().unwrap(), false), Ok(()), "{text}");
            }
        }
    }

    #[test]
    fn a_torrent_may_name_near_by_only_what_can_only_be_a_tracker() {
        for (reach, addresses) in rings() {
            for to in addresses {
                let ask = |question| may_ask(OnWordOf::Torrent, question, to, false);
                assert_eq!(ask(Question::Announce), Ok(()), "{to}");
                assert_eq!(ask(Question::Packet), Ok(()), "{to}");
                let refusal = Err(Refusal::Near(canonical(to)));
                assert_eq!(
                    ask(Question::Web),
                    if reach == Reach::Internet { Ok(()) } else { refusal },
                    "{to}"
                );
            }
        }
    }

    #[test]
    fn no_server_redirects_us_nearer_to_ourselves_than_it_is() {
        for (from, _) in rings() {
            for (reach, addresses) in rings() {
                for to in addresses {
                    for question in [Question::Announce, Question::Web] {
                        let asked = may_ask(OnWordOf::Server(from), question, to, false);
                        let refusal = Err(Refusal::Nearer(canonical(to)));
                        assert_eq!(asked, if reach <= from { Ok(()) } else { refusal }, "{from:?} to {to}");
                    }
                }
            }
        }
    }

    #[test]
    fn nobody_sends_us_to_ourselves_or_to_no_host() {
        let to = "1.2.3.4:6881".parse().unwrap();
        for word in [OnWordOf::User, OnWordOf::Torrent, OnWordOf::Server(Reach::Host)] {
            for question in [Question::Announce, Question::Packet, Question::Web] {
                assert_eq!(may_ask(word, question, to, true), Err(Refusal::OurOwn(to)));
            }
        }
        for text in NOWHERE {
            for word in [OnWordOf::Torrent, OnWordOf::Server(Reach::Host)] {
                let asked = may_ask(word, Question::Announce, text.parse().unwrap(), false);
                assert!(matches!(asked, Err(Refusal::NoHost(_))), "{text}");
            }
        }
    }

    #[test]
    fn behind_a_proxy_a_name_of_a_local_network_is_as_near_as_an_address_of_it() {
        let far = OnWordOf::Server(Reach::Internet);
        for (word, question, is_asked) in [
            (OnWordOf::User, Question::Web, true),
            (OnWordOf::Torrent, Question::Announce, true),
            (OnWordOf::Torrent, Question::Web, false),
            (far, Question::Announce, false),
            (far, Question::Web, false),
            (OnWordOf::Server(Reach::Network), Question::Web, true),
        ] {
            let asked = |host| may_ask_name(word, question, host).is_ok();
            assert_eq!(
                (asked("router.local"), asked("host.example")),
                (is_asked, true),
                "{word:?} {question:?}"
            );
        }
    }

    #[test]
    fn a_refusal_names_the_address_and_the_way_out() {
        let at: SocketAddr = "10.0.0.1:80".parse().unwrap();
        let near = Refusal::Near(at).to_string();
        assert!(
            near.starts_with("10.0.0.1:80 is in the local network") && near.contains("--tracker"),
            "{near}"
        );
        let nearer = Refusal::Nearer("127.0.0.1:80".parse().unwrap()).to_string();
        assert!(nearer.contains("127.0.0.1:80, which is on this host"), "{nearer}");
    }
}
