//! Whether what a peer sends is believed to be right, before the piece that it is part of has its digest. Pure.
//!
//! Nothing is known of a peer at first: it is a *newcomer*. A block of its that is in a verified piece was right, so
//! that peer has *proved* itself. If it has sent a part of a piece that was wrong, it is a *suspect*, until that piece
//! verifies: then its block was right, or wrong, and the peer is convicted. If the piece does not verify soon, a suspect
//! is treated as a newcomer again.

/// What is known of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trust {
    has_sent_good: bool,
    is_suspect: bool,
    has_held_up: bool,
    is_spared: bool,
}

impl Trust {
    /// Whether it has proved itself and is no suspect.
    pub fn is_proved(self) -> bool {
        self.has_sent_good && !self.is_suspect
    }

    /// Whether it has ever sent something that was right.
    pub fn has_sent_good(self) -> bool {
        self.has_sent_good
    }

    /// Whether it has sent a part of a piece that was wrong.
    pub fn is_suspect(self) -> bool {
        self.is_suspect
    }

    /// A block of its was right. Returns whether it had not proved itself before.
    pub fn proved(&mut self) -> bool {
        let before = self.is_proved();
        *self = Trust { has_sent_good: true, has_held_up: self.has_held_up, ..Trust::default() };
        !before
    }

    /// It has sent a part of a piece that was wrong.
    pub fn suspected(&mut self) {
        self.is_suspect = true;
    }

    /// It has sent a wrong piece alone, and is spared. False if it was spared before and has sent nothing right since.
    pub fn spared(&mut self) -> bool {
        !std::mem::replace(&mut self.is_spared, true)
    }

    /// It has fallen silent over a piece that was left to it. Returns whether this is the first time.
    pub fn held_up(&mut self) -> bool {
        !std::mem::replace(&mut self.has_held_up, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_proves_itself_and_a_suspect_has_to_do_it_again() {
        let mut trust = Trust::default();
        assert!(!trust.is_proved() && !trust.is_suspect());
        assert!(trust.proved() && !trust.proved() && trust.is_proved());
        trust.suspected();
        assert!(!trust.is_proved() && trust.has_sent_good() && trust.is_suspect());
        assert!(trust.proved() && trust.is_proved() && !trust.is_suspect());
    }
}
