//! Why we say what we are about to say: reasons come before the messages that they belong to, and wait for these. Pure.

use std::collections::VecDeque;

/// The most that wait. A reason whose message never comes leaves when it is the oldest of so many.
const MOST: usize = 256;

/// Those of one connection, the oldest first.
#[derive(Default)]
pub(in crate::cli) struct Reasons(VecDeque<(&'static str, usize, String)>);

impl Reasons {
    /// Why the next messages of this name, so many, are sent.
    pub(in crate::cli) fn add(&mut self, message: &'static str, count: usize, why: String) {
        if count > 0 {
            while self.0.len() >= MOST && self.0.pop_front().is_some() {}
            self.0.push_back((message, count, why));
        }
    }

    /// The reason of the next message of this name.
    pub(in crate::cli) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(message, ..)| *message == name)?;
        let (_, count, why) = self.0.get_mut(at)?;
        *count = count.saturating_sub(1);
        if *count > 0 { Some(why.clone()) } else { self.0.remove(at).map(|(.., why)| why) }
    }

    /// Something was left out, so they may not belong to what comes next.
    pub(in crate::cli) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_takes_its_reason_and_one_that_never_comes_keeps_no_other_from_its_own() {
        let mut reasons = Reasons::default();
        reasons.add("request", 2, "rarest".to_owned());
        reasons.add("request", 1, "next".to_owned());
        reasons.add("choke", 0, "for none".to_owned());
        assert_eq!(reasons.take("choke"), None);
        let taken: Vec<_> = (0..4).map(|_| reasons.take("request")).collect();
        assert_eq!(
            taken,
            [Some("rarest"), Some("rarest"), Some("next"), None].map(|why| why.map(str::to_owned))
        );
        (0..10_000).for_each(|_| reasons.add("have", 1, "stored".to_owned()));
        reasons.add("request", 1, "rarest".to_owned());
        assert_eq!((reasons.0.len(), reasons.take("request").as_deref()), (MOST, Some("rarest")));
        reasons.clear();
        assert_eq!(reasons.take("have"), None);
    }
}
