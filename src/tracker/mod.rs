//! Asking trackers for peers.
//!
//! A tracker is a server that knows which peers take part in a torrent: each client announces itself about
//! every half hour and gets the addresses of other peers back (BEP 3, "trackers"). A torrent names several
//! trackers, in *tiers* (BEP 12). Within a tier one tracker that answers is enough. All tiers are asked,
//! independently of each other.
//!
//! In reading order: [`TrackerAddress`] is where a tracker is, [`Announce`] is what we tell it, [`Answer`] is
//! what it tells us, [`Tier`] decides which tracker to ask, and `pace` when, [`Scrape`] is what a tracker tells a
//! client that takes no part in the torrent, and `udp/packets` has the bytes of BEP 15. These are plain
//! values that touch neither socket nor clock. `http` and `udp` carry an announce, and `client` chooses
//! between them. [`Announcers`] are the threads, one for each family of each tier, which only wait, announce
//! and report. `families` splits a tier by family.
//!
//! Nothing that a tracker does is fatal: a dead, malicious or hanging one costs its tier's thread a
//! deadline, and the download nothing. [`scrape_all`] asks all trackers of a torrent once, for `show`.

mod address;
mod announce;
mod announcer;
mod announcers;
mod answer;
mod client;
mod clock;
mod error;
mod families;
mod http;
mod news;
mod pace;
mod protocol;
mod scrape;
mod scraping;
mod secrets;
mod seen;
mod tier;
mod totals;
mod udp;

pub use address::{Protocol, TrackerAddress};
pub use announce::{Announce, AnnounceEvent, Counts, Identity, NOT_LISTENING};
pub use announcers::{Announcers, join_beyond};
pub use answer::Answer;
pub use clock::hear_clock;
pub use error::{RetryIn, TrackerError};
pub use http::USER_AGENT;
pub use news::TrackerNews;
pub use scrape::Scrape;
pub use scraping::scrape_all;
pub use tier::{Tier, Turn};
pub use totals::Totals;
pub use udp::{MAX_RESPONSE, UdpRequest, UdpResponse};
