//! IPv4 and IPv6 as two ways to the same trackers.
//!
//! A tracker knows a peer by the address that it announced from, and hands out peers of that family. So a
//! client that wants to be known in both families has to announce over both. Each family of a tier has its
//! own announcer, with its own `Tier`: events, tracker ids and waits. So a family that does not work never
//! delays the other. But only one of the two has to work. This module decides which of their failures are
//! reported.

use std::sync::{Arc, Mutex};

use super::address::TrackerAddress;
use super::error::TrackerError;
use super::news::TrackerNews;
use crate::address::IpFamily;
use crate::thread::lock;

/// The part of a tier that one announcer takes care of.
pub(super) struct FamilyTier {
    /// The only family that it announces over. `None` if one announcer takes care of the whole tier.
    pub family: Option<IpFamily>,
    /// The trackers that may have an address of the family.
    pub trackers: Vec<TrackerAddress>,
    /// Which of its failures are reported.
    pub failures: FailureReports,
}

impl FamilyTier {
    /// Splits a tier by the families that have to be asked: into two parts if some trackers may have an IPv4
    /// address and some an IPv6 address, otherwise into one. A host name may have both. `bound_to` is the
    /// family that everything leaves by, if it is only one, as with `--bind`. A tracker that is asked through a
    /// proxy sees the address of that alone, so it is asked once.
    pub fn split(
        trackers: Vec<TrackerAddress>,
        bound_to: Option<IpFamily>,
        is_detoured: impl Fn(&TrackerAddress) -> bool,
    ) -> Vec<FamilyTier> {
        let of = |family: IpFamily| -> Vec<TrackerAddress> {
            let may_have = |one: &&TrackerAddress| match is_detoured(one) {
                true => family == IpFamily::V4,
                false => one.family().is_none_or(|its| its == family),
            };
            trackers.iter().filter(may_have).cloned().collect()
        };
        let by_family = IpFamily::BOTH.map(|family| (family, of(family)));
        if bound_to.is_some() || by_family.iter().any(|(_, trackers)| trackers.is_empty()) {
            return vec![FamilyTier { family: None, trackers, failures: FailureReports::of_all() }];
        }
        let failing: Arc<Mutex<FailingFamilies>> = Arc::default();
        by_family
            .map(|(family, trackers)| {
                let failures = FailureReports { shared: Some((family, Arc::clone(&failing))) };
                FamilyTier { family: Some(family), trackers, failures }
            })
            .into()
    }
}

/// Decides which failures of an announcer are reported.
pub(super) struct FailureReports {
    /// The announcer's family, and what it shares with the announcer of the other family. `None` if there is
    /// no other.
    shared: Option<(IpFamily, Arc<Mutex<FailingFamilies>>)>,
}

/// The last failure of each family that is failing.
#[derive(Default)]
struct FailingFamilies {
    v4: Option<TrackerNews>,
    v6: Option<TrackerNews>,
}

impl FailureReports {
    /// Reports all failures.
    fn of_all() -> FailureReports {
        FailureReports { shared: None }
    }

    /// What to report after this outcome of an announce. A failure is reported only while the other family
    /// fails too, and then the one of the two that says more.
    pub fn report(&self, news: TrackerNews) -> Option<TrackerNews> {
        let Some((family, failing)) = &self.shared else { return Some(news) };
        let mut failing = lock(failing);
        let FailingFamilies { v4, v6 } = &mut *failing;
        let (ours, theirs) = match family {
            IpFamily::V4 => (v4, v6),
            IpFamily::V6 => (v6, v4),
        };
        *ours = news.outcome.is_err().then(|| news.clone());
        match (&news.outcome, theirs) {
            (Ok(_), _) => Some(news),
            (Err(_), None) => None,
            (Err(_), Some(theirs)) => {
                // If both say as much, the one of IPv4 is reported, because IPv6 is the family that hosts
                // lack.
                let is_theirs_better = match family {
                    IpFamily::V4 => weight(theirs) > weight(&news),
                    IpFamily::V6 => weight(theirs) >= weight(&news),
                };
                Some(if is_theirs_better { theirs.clone() } else { news })
            }
        }
    }
}

/// How much a failure says: the words of a tracker say more than its silence, and silence says more than that
/// there is no way to it.
fn weight(news: &TrackerNews) -> u8 {
    match &news.outcome {
        Err(TrackerError::NoAddress | TrackerError::NoName(_)) => 0,
        Err(TrackerError::Unreachable(_)) => 1,
        Err(TrackerError::TimedOut { .. }) => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Answer;
    use super::*;

    fn split(text: &str, bound_to: Option<IpFamily>) -> Vec<FamilyTier> {
        let trackers = text.split(' ').map(TrackerAddress::new).collect();
        FamilyTier::split(trackers, bound_to, |tracker| tracker.host() == "detour.example")
    }

    fn news(outcome: Result<(), TrackerError>) -> TrackerNews {
        let outcome = outcome.map(|()| Answer::parse(b"d8:intervali60ee").unwrap());
        TrackerNews { tracker: "udp://t.example:80".into(), outcome, next: None }
    }

    #[test]
    fn a_host_name_is_asked_over_both_families_and_an_address_over_its_own() {
        let both = split("udp://t.example:1 http://127.0.0.1/a http://[::1]:80/a udp://[::1]:1", None);
        let hosts = |part: usize| both[part].trackers.iter().map(TrackerAddress::host).collect::<Vec<_>>();
        assert_eq!((both[0].family, both[1].family), (Some(IpFamily::V4), Some(IpFamily::V6)));
        assert_eq!(hosts(0), ["t.example:1", "127.0.0.1"]);
        assert_eq!(hosts(1), ["t.example:1", "[::1]:80", "[::1]:1"]);
        let mixed = split("udp://t.example:1 http://detour.example/a", None);
        assert_eq!(mixed.iter().map(|part| part.trackers.len()).collect::<Vec<_>>(), [2, 1]);
        for (tier, bound_to) in [
            ("http://detour.example/a", None),
            ("udp://1.2.3.4:1 http://1.2.3.4", None),
            ("http://[::1]", None),
            ("udp://t.example:1", Some(IpFamily::V4)),
        ] {
            let one = split(tier, bound_to);
            assert_eq!((one.len(), one[0].family), (1, None), "{tier}");
            let failure = news(Err(TrackerError::NoAddress));
            assert_eq!(one[0].failures.report(failure.clone()), Some(failure));
        }
    }

    #[test]
    fn a_failure_is_reported_only_while_both_families_fail_and_then_the_better_reason() {
        let both = split("udp://t.example:1", None);
        let (four, six) = (&both[0].failures, &both[1].failures);
        let nowhere = news(Err(TrackerError::Unreachable("no route".into())));
        let refused = news(Err(TrackerError::Refused("no".into())));
        let good = news(Ok(()));
        // The other family has not announced yet, or works.
        assert_eq!(six.report(nowhere.clone()), None);
        assert_eq!(four.report(good.clone()), Some(good.clone()));
        assert_eq!(six.report(nowhere.clone()), None);
        assert_eq!(four.report(refused.clone()), Some(refused.clone()));
        assert_eq!(six.report(nowhere.clone()), Some(refused.clone()));
        let no_way = news(Err(TrackerError::Unreachable("no IPv6".into())));
        assert_eq!(four.report(nowhere.clone()), Some(nowhere.clone()));
        assert_eq!(six.report(no_way.clone()), Some(nowhere.clone()));
        assert_eq!(four.report(nowhere.clone()), Some(nowhere));
        assert_eq!(six.report(good.clone()), Some(good));
        assert_eq!(four.report(refused), None);
    }
}
