//! The body of an answer: from the stream to blocks, as far as they are wanted, and to the coordinator.

use super::super::verdict::MAX_SKIPPED;
use super::{BodyEnd, Fetcher, MAX_MISSTEPS};
use crate::message::{News, PeerError};
use crate::net::http::RangeAnswer;
use crate::piece::BLOCK_LENGTH;
use log::debug;
use std::time::{Duration, Instant};

/// Bytes that are sure to be more than one read brings.
const ENOUGH: u64 = 256 * 1024;

/// Of a fast server the coordinator hears so many bytes at once: waking it costs more than they do. Before each wait for
/// the server it hears of all that came, since that wait may be long, and nobody can make use of what was not reported.
const REPORTED_BYTES: usize = 512 * 1024;

/// How often the coordinator hears that a server is on its way to what was requested.
const REPORT_PAUSE: Duration = Duration::from_secs(1);

/// How long an answer that is not at its end waits for orders for what comes next in it.
const ORDER_DEADLINE: Duration = Duration::from_secs(2);

impl Fetcher {
    /// Padding has no bytes but zeros, and no server has it (BEP 47).
    pub(super) fn fill(&mut self, mut zeros: u64) -> Result<(), PeerError> {
        while zeros > 0 {
            let room = self.intake.room(zeros);
            room.fill(0);
            let filled = room.len();
            zeros = zeros.saturating_sub(filled as u64);
            self.came(filled)?;
            self.report()?;
        }
        Ok(())
    }

    /// Reads bytes that are not wanted.
    pub(super) fn skip(&mut self, answer: &mut RangeAnswer, mut bytes: u64) -> Result<BodyEnd, PeerError> {
        let mut dropped = vec![0; usize::try_from(bytes.min(BLOCK_LENGTH.into())).unwrap_or_default()];
        while bytes > 0 {
            let most = usize::try_from(bytes).map_or(dropped.len(), |left| left.min(dropped.len()));
            let room = dropped.get_mut(..most).unwrap_or_default();
            match self.progress.read(answer, room)? {
                Ok(read) => {
                    bytes = bytes.saturating_sub(read as u64);
                    self.pass.dropped = self.pass.dropped.saturating_add(read as u64);
                    self.pay(read)?;
                    self.tell_of_reading_on()?;
                }
                Err(error) => return Ok(BodyEnd::Broken(error)),
            }
        }
        Ok(BodyEnd::Enough)
    }

    /// Reads a body whose next byte is the next one of the intake, to `end` in the payload at most.
    pub(super) fn read_body(&mut self, answer: &mut RangeAnswer, end: u64) -> Result<BodyEnd, PeerError> {
        let mut unreported = 0_usize;
        while self.intake.position() < end {
            let Some(border) = self.goes_on(end)? else { return Ok(BodyEnd::Enough) };
            let portion = self.context()?.down.portion() as u64;
            let most = border.min(end).saturating_sub(self.intake.position());
            let room = self.intake.room(most.min(portion));
            let read = match unreported {
                0 => Some(self.progress.read(answer, room)?),
                _ => self.progress.read_at_once(answer, room)?,
            };
            match read {
                Some(Ok(read)) => {
                    self.pay(read)?;
                    self.came(read)?;
                    self.tell_of_reading_on()?;
                    unreported += read;
                }
                Some(Err(error)) => return Ok(BodyEnd::Broken(error)),
                None => unreported = REPORTED_BYTES,
            }
            if unreported >= REPORTED_BYTES {
                self.report()?;
                unreported = 0;
            }
        }
        self.report()?;
        // The library has to see the end of the body before it uses the connection again.
        if answer.head.is_delimited && answer.read(&mut [0]).is_ok_and(|more| more > 0) {
            debug!("{}: sends more than requested", self.seed_host());
        }
        Ok(BodyEnd::Enough)
    }

    /// Where in the payload the next bytes of this body end that are wanted; or those that are not, where they are so
    /// few that reading them costs less than another request. `None` where this body, which ends at `end`, is of no
    /// more use.
    fn goes_on(&mut self, end: u64) -> Result<Option<u64>, PeerError> {
        self.take_orders()?;
        if self.orders.next().is_none() {
            self.wait_for_orders(Some(Instant::now() + ORDER_DEADLINE))?;
        }
        let position = self.intake.position();
        let most_skipped = if self.orders.reads_on { u64::MAX } else { MAX_SKIPPED };
        let near = position.saturating_add(most_skipped).min(end);
        Ok(match self.orders.run(&self.geometry, ENOUGH) {
            Some(next) if next.contains(&position) => Some(next.end),
            Some(next) if (position..near).contains(&next.start) => Some(next.start),
            _ => None,
        })
    }

    /// Waits until the download limit lets so many bytes come.
    fn pay(&mut self, bytes: usize) -> Result<(), PeerError> {
        let now = Instant::now();
        let due = self.context()?.down.take(bytes, now);
        while due > Instant::now() {
            self.wait_for_orders(Some(due))?;
        }
        Ok(())
    }

    /// So many bytes were put into the intake: what is complete of them is delivered, if it is wanted.
    fn came(&mut self, bytes: usize) -> Result<(), PeerError> {
        let context = self.context()?;
        self.intake.came(bytes);
        while let Some((block, data)) = self.intake.next(&self.geometry) {
            if self.orders.take(block) {
                self.pass.taken = self.pass.taken.saturating_add(data.len() as u64);
                self.delivery.block(&context, block, data).map_err(PeerError::Violation)?;
                self.breaks = 0;
                self.missteps = if self.missteps < MAX_MISSTEPS { 0 } else { self.missteps };
            } else {
                self.pass.dropped = self.pass.dropped.saturating_add(data.len() as u64);
            }
        }
        Ok(())
    }

    /// A server that is on its way to what was requested is not silent.
    fn tell_of_reading_on(&mut self) -> Result<(), PeerError> {
        let now = Instant::now();
        if !self.orders.reads_on || now.saturating_duration_since(self.pass.told) < REPORT_PAUSE {
            return Ok(());
        }
        self.pass.told = now;
        self.delivery.note([News::ReadsOn]);
        self.report()
    }
}
