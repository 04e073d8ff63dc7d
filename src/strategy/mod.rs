//! How BitTorrent decides: which piece next, how many requests at once, which peers to upload to, which peers
//! to connect to.
//!
//! The protocol says how peers talk and leaves these choices open, but they make a swarm fast or slow. Read
//! them in this order:
//!
//! - [`download`]: *Rarest first* picks the piece that the fewest peers have ([`Rarity`]), unless the user wants another
//!   order ([`PieceOrder`]), or has them in order and keeps none ([`Window`]). *Pipelining* keeps many requests on their
//!   way to each peer, since a peer that waits for our next request sends nothing ([`Pipeline`]). Open pieces take
//!   memory, and the [`Budget`] says how much. A peer that chokes us again and again and sends nothing loses its
//!   [`Standing`].
//! - [`upload`]: *Choking* gives a few peers at a time a slot ([`Choker`]): those that upload to us in return (tit for
//!   tat), and now and then one that has not yet had the chance (optimistic unchoke). The *allowed-fast set* gives a new
//!   peer its first few pieces ([`allowed_fast()`]). *Super-seeding* lets a lone seed send each piece only once
//!   ([`SuperSeeding`]).
//! - [`peers`]: which addresses to believe and which to connect to ([`Candidates`], [`Dialer`]), which peers to tell
//!   other peers about ([`PexHistory`], peer exchange), and whether the peers are enough ([`Supply`]).
//! - [`utp`]: a connection over UDP that gives way to other traffic: what leaves when.
//!
//! Everything here is pure. A strategy sees numbers and the time, which it gets as an argument, and says what
//! it would do; the coordinator does it. So each one is tested as a plain function, with a clock that is a
//! number.

mod crc32c;
mod destination;
mod download;
mod near_names;
mod peers;
mod token_bucket;
mod upload;
pub mod utp;

pub use crc32c::crc32c;
pub use destination::{OnWordOf, Question, Refusal, may_ask, may_ask_name};
pub use download::{
    Budget, Gaps, MAX_WINDOW, MemoryClaim, PeerPieces, PieceOrder, Pipeline, Rarity, ServerRest, Standing,
    Trust, Window,
};
pub use near_names::{is_near_name, literal};
pub use peers::{
    AddressVotes, Approach, AttemptFailure, AttemptQueue, Bystanders, Candidates, Dialer, Encryption,
    ExternalAddress, HostWatch, Interruption, Opening, PeerCounts, PexHistory, Places, Rebuff, Security,
    Source, Supply, SupplyReports, Surroundings, UtpAnswers, may_share,
};
pub use token_bucket::TokenBucket;
pub use upload::{Choker, ChokerPeer, Leecher, Leechers, Rate, SuperSeeding, allowed_fast, unchoke_slots};
