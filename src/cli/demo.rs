//! `demo`.
use super::exit::Exit;
use super::get::Failure;
use std::path::Path;
/// .
pub fn run(_o: Option<&Path>) -> Result<Exit, Failure> {
    Ok(Exit::OTHER)
}
