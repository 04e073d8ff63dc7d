//! What leaves of a payload, and when.
