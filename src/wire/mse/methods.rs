//! The ways to go on behind a key exchange, as bits.

use super::MseFault;

/// One way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// In plain text: only the beginning was hidden.
    Plaintext = 1,
    /// Everything goes through RC4.
    Rc4 = 2,
}

/// The ways that one side offers. It may know others than ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods(u32);

impl Methods {
    /// No way that we know.
    pub const NONE: Methods = Methods(0);
    /// RC4 alone.
    pub const RC4: Methods = Methods(Method::Rc4 as u32);
    /// Both ways.
    pub const BOTH: Methods = Methods(Method::Rc4 as u32 | Method::Plaintext as u32);

    /// Whether this way is among them.
    pub fn contain(self, method: Method) -> bool {
        self.0 & method as u32 != 0
    }

    pub(super) fn from_wire(bits: [u8; 4]) -> Methods {
        Methods(u32::from_be_bytes(bits))
    }

    pub(super) fn to_wire(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }

    /// The one that the other side has chosen of these.
    pub(super) fn chosen(self, choice: Methods) -> Result<Method, MseFault> {
        let one_of_ours = |method: &Method| self.contain(*method) && choice == Methods(*method as u32);
        [Method::Plaintext, Method::Rc4].into_iter().find(one_of_ours).ok_or(MseFault::Choice)
    }
}

impl From<Method> for Methods {
    fn from(method: Method) -> Methods {
        Methods(method as u32)
    }
}
