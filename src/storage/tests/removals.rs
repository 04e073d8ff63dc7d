//! What is to be removed and cannot be.

use super::{Fault, PARTS, SPARSE, survives};
use crate::storage::Call;
use rustix::io::Errno;

#[test]
fn where_nothing_can_be_removed_what_is_complete_is_complete() {
    for errno in [Errno::PERM, Errno::ACCESS, Errno::IO] {
        for options in [SPARSE, PARTS] {
            // The next run removes it.
            survives(Fault::Always(Call::Remove, errno), options).unwrap();
        }
    }
}
