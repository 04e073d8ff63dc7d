//! Bencode: the notation of torrent files, tracker answers and extension messages (BEP 3,
//! "bencoding").
//!
//! There are four kinds of value: `i7e` is an integer, `4:spam` a string of four bytes, `l…e` a list,
//! `d…e` a dictionary whose keys are strings.
//!
//! The two directions have nothing in common but the notation. What we receive is checked once, from
//! end to end, and then read where it stands: a [`Value`] is a view of the received bytes, so that a
//! torrent of a million pieces costs no memory beyond itself, and an info-hash is taken over the
//! bytes that came. Keys may stand in any order there, because programs in the field write them so;
//! bendy's decoder insists on the order and offers no way around it, which is why the reader is ours.
//! What we send is an [`Item`], and bendy writes it in the one canonical form.
//!
//! Pure, and called from every thread. The reader must never panic, recurse, or allocate by what the
//! bytes promise.

mod error;
mod item;
mod scan;
mod value;

pub use error::BencodeError;
pub use item::Item;
pub use scan::MAX_DEPTH;
pub use value::{Dictionary, List, Step, Value};
