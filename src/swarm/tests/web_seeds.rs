//! Web seeds (BEP 19).

use super::*;
