//! Tests that need something of the host which it may not have.

/// Says that a test is skipped, and why. Where the variable `CI` is set it fails the test instead: a machine
/// for continuous integration must have everything, and a test that never runs there proves nothing.
///
/// # Panics
///
/// Where `CI` is set.
pub fn skip(reason: &str) {
    eprintln!("SKIPPED: {reason}");
    assert!(std::env::var_os("CI").is_none(), "skipped in continuous integration: {reason}");
}
