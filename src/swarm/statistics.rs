//! What is counted: for the screen, for the trackers, and for the timeout.

use crate::message::{PeerTrouble, TrackerReport};
use crate::net::proxy::ProxyError;
use crate::strategy::Rate;
use std::time::{Duration, Instant};

/// Counters and rates of one run, and what went wrong last.
#[derive(Debug)]
pub struct Statistics {
    received: u64,
    wasted: u64,
    uploaded: u64,
    download_gauge: Gauge,
    upload_gauge: Gauge,
    /// The download rate at the last tick before which blocks had come.
    pace: f64,
    /// Slower and steadier than the gauge: the number of upload slots follows it.
    upload_rate: Rate,
    /// When a piece was last stored or a useful block came.
    progress: Instant,
    /// Verified pieces that are not on disk yet.
    unwritten: u32,
    /// What the last tracker said, if it named no peer.
    tracker_trouble: Option<String>,
    /// The user was warned of a tracker that cannot be asked.
    tracker_warned: bool,
    /// Why connections that we made failed.
    peer_trouble: PeerTrouble,
    /// What is wrong with the proxy, if the last attempt failed by its fault.
    proxy_trouble: Option<String>,
}

impl Statistics {
    /// All zero.
    pub fn new(now: Instant) -> Statistics {
        Statistics {
            received: 0,
            wasted: 0,
            uploaded: 0,
            download_gauge: Gauge::new(now),
            upload_gauge: Gauge::new(now),
            pace: 0.0,
            upload_rate: Rate::new(now),
            progress: now,
            unwritten: 0,
            tracker_trouble: None,
            tracker_warned: false,
            peer_trouble: PeerTrouble::default(),
            proxy_trouble: None,
        }
    }

    /// The same, where there was no progress for this long before `now`.
    pub fn idle_since(self, now: Instant, idle: Duration) -> Statistics {
        Statistics { progress: now.checked_sub(idle).unwrap_or(now), ..self }
    }

    /// A block of this many bytes came. It is `useful` if it was missing.
    pub fn received(&mut self, bytes: u64, useful: bool, now: Instant) {
        self.received = self.received.saturating_add(bytes);
        match useful {
            true => self.progress = now,
            false => self.wasted(bytes),
        }
    }

    /// This many bytes that came turned out to be of no use.
    pub fn wasted(&mut self, bytes: u64) {
        self.wasted = self.wasted.saturating_add(bytes);
    }

    /// Blocks of this many bytes were sent.
    pub fn sent(&mut self, bytes: u64) {
        self.uploaded = self.uploaded.saturating_add(bytes);
        self.upload_rate.add(bytes);
    }

    /// That there is no progress now is no fault of the peers.
    pub fn excused(&mut self, now: Instant) {
        self.progress = now;
    }

    /// A piece verified and is on its way to the disk.
    pub fn verified(&mut self) {
        self.unwritten += 1;
    }

    /// A verified piece is on disk.
    pub fn stored(&mut self, now: Instant) {
        self.progress = now;
        self.unwritten = self.unwritten.saturating_sub(1);
    }

    /// Pieces on disk are to be fetched again: the wait for them begins now.
    pub fn lost(&mut self, now: Instant) {
        self.progress = now;
    }

    /// A tracker answered, or did not.
    pub fn tracker_answered(&mut self, report: &TrackerReport) {
        self.tracker_trouble = report.trouble();
    }

    /// Whether the user is to be warned of a tracker that cannot be asked: once is enough.
    pub fn is_first_tracker_warning(&mut self) -> bool {
        !std::mem::replace(&mut self.tracker_warned, true)
    }

    /// An attempt to connect has ended, by this fault of the proxy or otherwise.
    pub fn proxy_answered(&mut self, fault: Option<&ProxyError>) {
        self.proxy_trouble = fault.map(ToString::to_string);
    }

    /// What is wrong with the proxy, if something is.
    pub fn proxy_trouble(&self) -> Option<String> {
        self.proxy_trouble.clone()
    }

    /// Updates the rates. Several times a second.
    pub fn tick(&mut self, now: Instant) {
        let blocks_came = self.received > self.download_gauge.counted;
        self.download_gauge.tick(self.received, now);
        if blocks_came {
            self.pace = self.download_gauge.rate;
        }
        self.upload_gauge.tick(self.uploaded, now);
        self.upload_rate.tick(now);
    }

    /// There is nobody left who could send anything, or get it: a rate that fades would be that of peers that are gone.
    pub fn alone(&mut self) {
        self.download_gauge.rate = 0.0;
        self.upload_gauge.rate = 0.0;
    }

    /// How long ago the last useful block came, or the last piece was stored.
    pub fn idle_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.progress)
    }

    /// Whether verified pieces wait for the disk.
    pub fn waits_for_disk(&self) -> bool {
        self.unwritten > 0
    }

    /// Payload bytes that came in this run, those of no use included.
    pub fn bytes_received(&self) -> u64 {
        self.received
    }

    /// Payload bytes that came and were of no use.
    pub fn bytes_wasted(&self) -> u64 {
        self.wasted
    }

    /// Payload bytes that were sent to peers in this run.
    pub fn bytes_uploaded(&self) -> u64 {
        self.uploaded
    }

    /// Bytes a second that come, for people to look at.
    pub fn download_rate(&self) -> f64 {
        self.download_gauge.rate
    }

    /// Bytes a second that all peers together send while they send: unlike the rate, it does not fall while no
    /// block comes.
    pub fn pace(&self) -> f64 {
        self.pace
    }

    /// Bytes a second that are sent, for people to look at.
    pub fn shown_upload_rate(&self) -> f64 {
        self.upload_gauge.rate
    }

    /// Bytes a second that are sent, for the number of upload slots.
    pub fn upload_rate(&self) -> f64 {
        self.upload_rate.per_second()
    }

    /// What the last tracker said, if it named no peer.
    pub fn tracker_trouble(&self) -> Option<String> {
        self.tracker_trouble.clone()
    }

    /// Why connections that we made failed.
    pub fn peer_trouble(&mut self) -> &mut PeerTrouble {
        &mut self.peer_trouble
    }

    /// Why the last of them failed, in words.
    pub fn last_peer_trouble(&self) -> Option<String> {
        self.peer_trouble.sentence()
    }

    /// Whether that one was reached, and is of no use.
    pub fn is_last_peer_of_no_use(&self) -> bool {
        self.peer_trouble.is_of_no_use()
    }
}

/// A rate that follows quickly.
#[derive(Debug)]
struct Gauge {
    rate: f64,
    counted: u64,
    at: Instant,
}

impl Gauge {
    fn new(now: Instant) -> Gauge {
        Gauge { rate: 0.0, counted: 0, at: now }
    }

    /// `bytes` have passed in all.
    fn tick(&mut self, bytes: u64, now: Instant) {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64().max(1e-3);
        let seen = bytes.saturating_sub(self.counted) as f64 / seconds;
        // What was known before loses half of its weight every two seconds.
        let old = if self.rate == 0.0 { 0.0 } else { 0.5_f64.powf(seconds / 2.0) };
        *self = Gauge { rate: self.rate * old + seen * (1.0 - old), counted: bytes, at: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_shows_a_steady_rate_at_once_and_forgets_it_in_seconds() {
        let mut now = Instant::now();
        let mut gauge = Gauge::new(now);
        for second in 1..=4 {
            now += Duration::from_secs(1);
            gauge.tick(second * 1000, now);
            assert!((gauge.rate - 1000.0).abs() < 1.0, "{}", gauge.rate);
        }
        now += Duration::from_secs(2);
        gauge.tick(4000, now);
        assert!((gauge.rate - 500.0).abs() < 1.0, "{}", gauge.rate);
    }

    #[test]
    fn only_what_is_useful_is_progress() {
        let start = Instant::now();
        let later = start + Duration::from_secs(9);
        let mut statistics = Statistics::new(start);
        statistics.received(5, false, later);
        assert_eq!(statistics.idle_for(later), Duration::from_secs(9));
        statistics.received(5, true, later);
        assert_eq!(statistics.idle_for(later), Duration::ZERO);
        assert_eq!((statistics.bytes_received(), statistics.bytes_wasted()), (10, 5));
    }
}
