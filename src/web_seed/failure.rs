//! What the failure of a request means for the server.

use crate::message::{PeerError, WebSeedFailure};
use crate::net::http::WebError;
use crate::text::printable;

/// The server has failed, and is asked again later.
pub(super) fn failed(why: impl ToString) -> PeerError {
    PeerError::WebSeed(WebSeedFailure::Failed(printable(&why.to_string())))
}

/// The server is asked no more.
pub(super) fn refused(why: impl ToString) -> PeerError {
    PeerError::WebSeed(WebSeedFailure::Refused(printable(&why.to_string())))
}

/// What the failure of a request means for the server. What its name or a redirect leads to may be another place a
/// moment later, so that we do not ask there is said of this time only. A connection that broke is
/// [`PeerError::Lost`]: it may be one that was kept and is tried again.
pub(super) fn end_of(error: WebError) -> PeerError {
    match error {
        WebError::Broken(error) => PeerError::Lost(error),
        WebError::Proxy(error) => PeerError::WebSeed(WebSeedFailure::Proxy(error)),
        _ => failed(error),
    }
}
