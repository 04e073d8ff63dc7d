//! uTP: a connection over UDP that gives way to other traffic (BEP 29, RFC 6817).
//!
//! TCP sends faster and faster until a queue on the way is full and packets are thrown away. On a line to a home that
//! queue holds seconds of traffic, and everybody else in the house waits behind it. uTP measures how long its packets
//! take, and slows down when they take longer than they did: it fills the line, but not the queue. Who cannot be
//! reached over TCP can often be reached over UDP, too.
//!
//! Everything here is pure: a [`Conversation`] is given the packets that come and the time, and says which packets
//! should leave. Read the parts in this order:
//!
//! - `sequence`: the numbers of packets, which wrap.
//! - `receive_window`: puts what comes in order, and says how much more may come.
//! - `flights`: what left in which order, and what of it is lost.
//! - `send_window`: bytes cut into packets, until they are acknowledged.
//! - `round_trip`: how long to wait for an answer.
//! - `delay`: how long packets wait in queues, told by two clocks that do not agree.
//! - `congestion`: how much may be on its way, from the above.
//! - `packet_size`: how large a packet may be, so that it arrives.
//! - `way`: all that is known of the way to the peer.
//! - `early_memory`: how much may wait on its way in, on all connections together.
//! - `acknowledgements`: when to say what has come.
//! - `question`: what to do when the answer to the last packets is late.
//! - `conversation`: one connection, made of all these; what leaves next is in `departure`, when it asks in `asking`.

mod acknowledgements;
mod asking;
mod congestion;
mod conversation;
mod delay;
mod departure;
mod early_memory;
mod flights;
mod packet_size;
mod question;
mod receive_window;
mod round_trip;
mod send_window;
mod sequence;
mod sharing;
mod way;

pub use conversation::{Conversation, EndReason, State};
pub use early_memory::EarlyMemory;
