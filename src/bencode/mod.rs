//! Bencode: the notation of torrent files, tracker answers and extension messages (BEP 3,
//! "bencoding").
//!
//! There are four kinds of value: `i7e` is an integer, `4:spam` a string of four bytes, `l…e` a list,
//! `d…e` a dictionary, whose keys are strings.
//!
//! Reading and writing have nothing in common except the notation. What we receive is checked once, from end
//! to end, and then read in place: a [`Value`] is a view of the received bytes. So a torrent of a million
//! pieces costs no more memory than its file has bytes, and an info-hash is taken over the bytes as they
//! came. The keys may be in any order, because programs in the field write them unsorted. bendy's decoder
//! insists on sorted keys and offers no way around it, which is why the reader is our own. What we send is an
//! [`Item`], and bendy writes it in the one canonical form.
//!
//! Pure, and called from every thread. The reader must never panic, never recurse, and never allocate as
//! much memory as the bytes merely claim to need.

mod error;
mod item;
mod limits;
mod scan;
mod value;

pub use error::BencodeError;
pub use item::Item;
pub use limits::{MAX_DEPTH, MAX_TOKENS};
pub use value::{Dictionary, List, Step, Value};
