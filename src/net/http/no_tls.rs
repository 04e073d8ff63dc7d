//! What stands in place of TLS in a build without it (feature `tls`): https addresses are refused before anything is
//! looked up or sent, and certificates are of no use.

use std::error::Error;
use std::path::Path;

/// Whether https addresses can be fetched from.
pub(super) const IS_HERE: bool = false;

/// Whose certificates are believed: there is nothing to believe.
#[derive(Clone, Debug, Default)]
pub struct Authorities(());

impl Authorities {
    /// # Errors
    ///
    /// Always: nobody shall think that a connection is protected.
    pub fn with_file(_: &Path) -> Result<Authorities, String> {
        Err("this build has no TLS, and no use for --ca-file (leave it out, or use the full build)"
            .to_owned())
    }
}

/// No error is one of TLS.
pub(super) fn words(error: Box<dyn Error + Send + Sync>) -> Result<String, Box<dyn Error + Send + Sync>> {
    Err(error)
}
