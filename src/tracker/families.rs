//! IPv4 and IPv6 as two ways to the same trackers.
//!
//! A tracker knows a peer by the address that it announced from and hands out the peers of that family, so
//! whoever wants to be known in both has to announce over both. Each family of a tier has its own announcer
//! and with it its own standing with every tracker: a family that leads nowhere delays nothing of the
//! other. But only one of the two has to work, so what is said of their failures is agreed here.

use std::sync::{Arc, Mutex, PoisonError};

use super::address::TrackerAddress;
use super::announcer::TrackerNews;
use super::error::TrackerError;
use crate::address::IpFamily;

/// One of the announcers of a tier, as to what is told of it.
pub(super) struct Side {
    /// Which of the two it is, and the last failure of each that is failing. `None` where it is alone.
    both: Option<(IpFamily, Arc<Mutex<Failing>>)>,
}

#[derive(Default)]
struct Failing {
    v4: Option<TrackerNews>,
    v6: Option<TrackerNews>,
}

impl Side {
    /// The trackers of a tier by the families that have to be asked: one side for all, or two where some may
    /// have an IPv4 address and some an IPv6 address. A name may have both. `only` says which family we
    /// are bound to.
    pub fn of_tier(
        addresses: Vec<TrackerAddress>,
        only: Option<IpFamily>,
    ) -> Vec<(Option<IpFamily>, Side, Vec<TrackerAddress>)> {
        let may_be = |family: IpFamily| {
            let fits = move |one: &&TrackerAddress| one.family().is_none_or(|other| other == family);
            addresses.iter().filter(fits).cloned()
        };
        let (four, six): (Vec<_>, Vec<_>) = (may_be(IpFamily::V4).collect(), may_be(IpFamily::V6).collect());
        if only.is_some() || four.is_empty() || six.is_empty() {
            return vec![(None, Side { both: None }, addresses)];
        }
        let failing: Arc<Mutex<Failing>> = Arc::default();
        let side = |family| (Some(family), Side { both: Some((family, Arc::clone(&failing))) });
        let ((v4, ours), (v6, theirs)) = (side(IpFamily::V4), side(IpFamily::V6));
        vec![(v4, ours, four), (v6, theirs, six)]
    }

    /// What is to be told when this has come of an announce. A failure is one only while the other family
    /// fails too, and of two the one that says more is told.
    pub fn told(&self, news: TrackerNews) -> Option<TrackerNews> {
        let Some((family, failing)) = &self.both else { return Some(news) };
        let mut failing = failing.lock().unwrap_or_else(PoisonError::into_inner);
        let Failing { v4: four, v6: six } = &mut *failing;
        let (ours, theirs) = if *family == IpFamily::V4 { (four, six) } else { (six, four) };
        *ours = news.outcome.is_err().then(|| news.clone());
        match (&news.outcome, theirs) {
            (Ok(_), _) => Some(news),
            (Err(_), None) => None,
            (Err(_), Some(theirs)) if weight(theirs) + u8::from(*family == IpFamily::V6) > weight(&news) => {
                Some(theirs.clone())
            }
            (Err(_), Some(_)) => Some(news),
        }
    }
}

/// How much a failure says: the words of a tracker more than silence, and that more than no way. Of two that
/// say as much the one of IPv4 is told, because it is IPv6 that hosts lack.
fn weight(news: &TrackerNews) -> u8 {
    match &news.outcome {
        Err(TrackerError::NoAddress) => 0,
        Err(TrackerError::Unreachable(_)) => 1,
        Err(TrackerError::TimedOut { .. }) => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Answer;
    use super::*;

    fn sides(text: &str, only: Option<IpFamily>) -> Vec<(Option<IpFamily>, Side, Vec<TrackerAddress>)> {
        Side::of_tier(text.split(' ').map(TrackerAddress::new).collect(), only)
    }

    fn news(outcome: Result<(), TrackerError>) -> TrackerNews {
        let outcome = outcome.map(|()| Answer::parse(b"d8:intervali60ee").unwrap());
        TrackerNews { tracker: "udp://t.example:80".into(), event: None, outcome }
    }

    #[test]
    fn a_name_is_asked_over_both_families_and_an_address_over_its_own() {
        let both = sides("udp://t.example:1 http://127.0.0.1/a http://[::1]:80/a udp://[::1]:1", None);
        let hosts = |side: usize| both[side].2.iter().map(TrackerAddress::host).collect::<Vec<_>>();
        assert_eq!((both[0].0, both[1].0), (Some(IpFamily::V4), Some(IpFamily::V6)));
        assert_eq!(hosts(0), ["t.example:1", "127.0.0.1"]);
        assert_eq!(hosts(1), ["t.example:1", "[::1]:80", "[::1]:1"]);
        for (tier, only) in [
            ("udp://1.2.3.4:1 http://1.2.3.4", None),
            ("http://[::1]", None),
            ("udp://t.example:1", Some(IpFamily::V4)),
        ] {
            let one = sides(tier, only);
            assert_eq!((one.len(), one[0].0), (1, None), "{tier}");
            let failure = news(Err(TrackerError::NoAddress));
            assert_eq!(one[0].1.told(failure.clone()), Some(failure));
        }
    }

    #[test]
    fn a_failure_is_one_only_where_both_families_fail_and_the_better_reason_is_told() {
        let both = sides("udp://t.example:1", None);
        let (four, six) = (&both[0].1, &both[1].1);
        let nowhere = news(Err(TrackerError::Unreachable("no route".into())));
        let refused = news(Err(TrackerError::Refused("no".into())));
        let good = news(Ok(()));
        // The other has not spoken, or is well.
        assert_eq!(six.told(nowhere.clone()), None);
        assert_eq!(four.told(good.clone()), Some(good.clone()));
        assert_eq!(six.told(nowhere.clone()), None);
        assert_eq!(four.told(refused.clone()), Some(refused.clone()));
        assert_eq!(six.told(nowhere.clone()), Some(refused.clone()));
        let no_way = news(Err(TrackerError::Unreachable("no IPv6".into())));
        assert_eq!(four.told(nowhere.clone()), Some(nowhere.clone()));
        assert_eq!(six.told(no_way.clone()), Some(nowhere.clone()));
        assert_eq!(four.told(nowhere.clone()), Some(nowhere));
        assert_eq!(six.told(good.clone()), Some(good));
        assert_eq!(four.told(refused), None);
    }
}
