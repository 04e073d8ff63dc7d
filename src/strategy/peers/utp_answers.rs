//! Who speaks uTP (BEP 29), as far as we know, and when to ask an address for it.
//!
//! TCP is faster and takes less work, so it comes first. Where it is refused, or silent for [`HEAD_START`], uTP is tried
//! beside it, and whichever is there first is taken. A peer that is said to speak uTP is asked at once. One that has not
//! answered is asked again ever more rarely: most addresses that do not answer are dead. Pure.

use crate::address::{canonical, is_local};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long TCP is alone. Most connections are there by then.
const HEAD_START: Duration = Duration::from_millis(750);
/// The same where a connection to the peer fell silent before. Large packets of the peer may vanish on the way, which TCP
/// finds out and many programs over uTP do not. A call over TCP is repeated twice by then.
const LONG_HEAD_START: Duration = Duration::from_secs(5);
/// How long a peer that refuses TCP has to answer over uTP, in our own network and elsewhere. It is there, so it takes
/// a round trip; and where a packet is lost, that of a call that is repeated.
const ANSWER_NEARBY: Duration = Duration::from_millis(700);
const ANSWER: Duration = Duration::from_millis(1600);
/// How long an address is left alone that did not answer once; each further time, four times as long.
const FIRST_PAUSE: Duration = Duration::from_secs(8);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Addresses that are remembered. Those of which we heard longest ago are forgotten.
const MOST: usize = 2048;

/// What is known of the addresses of all torrents.
#[derive(Debug, Default)]
pub struct UtpAnswers {
    known: HashMap<SocketAddr, Answer>,
    /// In the order in which we first heard of them.
    order: VecDeque<SocketAddr>,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    /// It speaks uTP, or is said to.
    Speaks,
    /// It took a connection over TCP and closed it before a word, as programs do that take uTP alone.
    ClosesTcp,
    /// It speaks uTP, and a connection to it fell silent.
    Stalls,
    /// It did not answer so many times in a row, and is left alone until then.
    Silent(u32, Instant),
}

impl UtpAnswers {
    /// The peer at this address speaks uTP, or is said to.
    pub fn speaks(&mut self, address: SocketAddr) {
        if !matches!(self.known.get(&canonical(address)), Some(Answer::ClosesTcp | Answer::Stalls)) {
            self.set(address, Answer::Speaks);
        }
    }

    /// A connection to this address came about and then fell silent. If it was over uTP, TCP is to be first the next
    /// time.
    pub fn fell_silent(&mut self, address: SocketAddr) {
        if matches!(self.known.get(&canonical(address)), Some(Answer::Speaks | Answer::ClosesTcp)) {
            self.set(address, Answer::Stalls);
        }
    }

    /// The peer at this address took a connection over TCP and closed it before a word. uTP comes first the next time,
    /// unless it does not answer that.
    pub fn closes_tcp(&mut self, address: SocketAddr) {
        if !matches!(self.known.get(&canonical(address)), Some(Answer::Silent(..))) {
            self.set(address, Answer::ClosesTcp);
        }
    }

    /// Whether TCP is to wait until uTP has failed.
    pub fn is_utp_first(&self, address: SocketAddr) -> bool {
        matches!(self.known.get(&canonical(address)), Some(Answer::ClosesTcp))
    }

    /// It was asked and did not answer, or said no.
    pub fn silent(&mut self, address: SocketAddr, now: Instant) {
        let before = match self.known.get(&canonical(address)) {
            Some(Answer::Silent(times, _)) => *times,
            _ => 0,
        };
        let pause = FIRST_PAUSE.saturating_mul(4_u32.saturating_pow(before)).min(LONGEST_PAUSE);
        self.set(address, Answer::Silent(before.saturating_add(1), now + pause));
    }

    /// When to ask this address, to which TCP is begun now. `None` if it is not to be asked.
    pub fn when(&self, address: SocketAddr, now: Instant) -> Option<Instant> {
        match self.known.get(&canonical(address)) {
            Some(Answer::Speaks | Answer::ClosesTcp) => Some(now),
            Some(Answer::Stalls) => Some(now + LONG_HEAD_START),
            Some(Answer::Silent(_, until)) if now < *until => None,
            _ => Some(now + HEAD_START),
        }
    }

    /// How long an address that has just refused TCP has to answer.
    pub fn patience(address: SocketAddr) -> Duration {
        if is_local(address.ip()) { ANSWER_NEARBY } else { ANSWER }
    }

    fn set(&mut self, address: SocketAddr, answer: Answer) {
        let address = canonical(address);
        if self.known.insert(address, answer).is_none() {
            self.order.push_back(address);
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::utp::Conversation;

    fn at(host: u16) -> SocketAddr {
        SocketAddr::from(([203, 0, (host >> 8) as u8, host as u8], 6881))
    }

    #[test]
    fn who_speaks_it_is_asked_at_once_and_others_after_a_head_start() {
        let (mut answers, now) = (UtpAnswers::default(), Instant::now());
        assert_eq!(answers.when(at(1), now), Some(now + HEAD_START));
        answers.speaks(at(1));
        assert_eq!(answers.when(at(1), now), Some(now));
        assert!(UtpAnswers::patience("127.0.0.1:1".parse().unwrap()) < UtpAnswers::patience(at(1)));
    }

    #[test]
    fn whoever_refuses_tcp_is_called_again_over_utp_in_case_the_first_packet_is_lost() {
        let calls = |address| {
            let start = Instant::now();
            let (mut talk, mut packet) = (Conversation::connect(7, 99, start), Vec::new());
            let (mut now, mut calls) = (start, 0);
            while now + Duration::from_millis(250) <= start + UtpAnswers::patience(address) {
                calls += u32::from(talk.next_packet(now, &mut packet));
                now = talk.due().unwrap();
                talk.expire(now);
            }
            calls
        };
        assert_eq!((calls("127.0.0.1:1".parse().unwrap()), calls(at(1))), (2, 3));
    }

    #[test]
    fn who_does_not_answer_is_asked_ever_more_rarely_and_at_once_when_it_does() {
        let (mut answers, mut now) = (UtpAnswers::default(), Instant::now());
        let start = now;
        let mut asked = Vec::new();
        while now < start + Duration::from_secs(3600) {
            if answers.when(at(1), now).is_some() {
                asked.push((now - start).as_secs());
                answers.silent(at(1), now);
            }
            now += Duration::from_secs(1);
        }
        assert_eq!(asked[..6], [0, 8, 40, 168, 680, 1280]);
        answers.speaks(at(1));
        assert_eq!(answers.when(at(1), now), Some(now));
    }

    #[test]
    fn who_closes_tcp_is_asked_over_utp_first_until_it_is_silent_there() {
        let (mut answers, now) = (UtpAnswers::default(), Instant::now());
        assert!(!answers.is_utp_first(at(1)));
        answers.closes_tcp(at(1));
        // That it speaks uTP does not mean that it takes TCP now.
        answers.speaks(at(1));
        assert!(answers.is_utp_first(at(1)) && answers.when(at(1), now) == Some(now));
        answers.silent(at(1), now);
        answers.closes_tcp(at(1));
        assert!(!answers.is_utp_first(at(1)) && answers.when(at(1), now).is_none());
    }

    #[test]
    fn who_fell_silent_over_utp_is_asked_over_tcp_well_before() {
        let (mut answers, now) = (UtpAnswers::default(), Instant::now());
        // It was silent over TCP: that says nothing of uTP.
        answers.fell_silent(at(1));
        assert_eq!(answers.when(at(1), now), Some(now + HEAD_START));
        answers.speaks(at(1));
        answers.fell_silent(at(1));
        assert_eq!(answers.when(at(1), now), Some(now + LONG_HEAD_START));
        // Others may say that it speaks uTP, and it does.
        answers.speaks(at(1));
        assert_eq!(answers.when(at(1), now), Some(now + LONG_HEAD_START));
    }

    #[test]
    fn a_bounded_number_is_remembered() {
        let (mut answers, now) = (UtpAnswers::default(), Instant::now());
        (0..3000).for_each(|host| answers.silent(at(host), now));
        assert_eq!((answers.known.len(), answers.order.len()), (MOST, MOST));
        assert!(answers.when(at(0), now).is_some() && answers.when(at(2999), now).is_none());
    }
}
