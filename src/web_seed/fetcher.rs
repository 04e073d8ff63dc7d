//! The thread of a web seed: from an order to the blocks.
//!
//! Runs on the thread `web-HOST`. It blocks on its orders while it has none; on the server, each time for
//! [`Patience::silence`] at most; on the coordinator's inbox, or the writer's when the disk is slower than the server;
//! and on its turn where there is a download limit. While it waits for the server it holds nothing of the run, so the
//! end of the run does not wait for it.

use super::WebSeed;
use super::address;
use super::files::{Segment, first_segment};
use super::intake::Intake;
use super::orders::Orders;
use super::progress::Progress;
use super::seen;
use super::verdict::{MAX_SKIPPED, judge};
use crate::message::{HangUp, News, Order, PeerError, PeerKey, WebSeedFailure};
use crate::metainfo::Metainfo;
use crate::net::http::{RangeAnswer, Site, WebClient, WebError};
use crate::net::tap::Tap;
use crate::peer::{Delivery, DetachedWorker, TorrentContext};
use crate::piece::{BLOCK_LENGTH, Geometry};
use crate::text::printable;
use log::debug;
use std::ops::Range;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How long a server may be silent within a body.
const SILENCE: Duration = Duration::from_secs(20);

/// How long the bytes of a block may take.
const BLOCK_DEADLINE: Duration = Duration::from_secs(60);

/// How often in a row the connection may break before a whole block has come.
const MAX_BREAKS: u32 = 3;

/// Bytes that are sure to be more than one read brings.
const ENOUGH: u64 = 256 * 1024;

/// A read that brings as much has not emptied the socket, so more comes at once. After any other we may wait for long, and
/// nobody else can make use of what has not been reported.
const FAST_READ: usize = 128 * 1024;

/// Of a fast server the coordinator hears so many bytes at once. Waking it costs more than they do.
const REPORTED_BYTES: usize = 512 * 1024;

/// Where a server sends files only whole, what comes of one has to be this part at least of what was dropped before it.
/// Otherwise it is not asked again: a server that breaks off each time would send the same for ever.
const WORTH: u64 = 16;

/// How often the coordinator hears that a server is on its way to what was requested.
const REPORT_PAUSE: Duration = Duration::from_secs(1);

/// How long an answer that is not at its end waits for orders for what comes next in it.
const ORDER_DEADLINE: Duration = Duration::from_secs(2);

/// How long a server may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Within a body it may be silent for so long.
    pub silence: Duration,
    /// The bytes of a block may take so long.
    pub block: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { silence: SILENCE, block: BLOCK_DEADLINE }
    }
}

/// Fetches from one web seed.
pub struct Fetcher {
    seed: WebSeed,
    client: WebClient,
    ends: DetachedWorker,
    /// It does not keep the run from ending.
    context: Weak<TorrentContext>,
    metainfo: Arc<Metainfo>,
    geometry: Geometry,
    has_folder: bool,
    delivery: Delivery,
    orders: Orders,
    intake: Intake,
    /// Where the server has redirected us to for this file.
    moved: Option<(usize, Site)>,
    /// How often the connection has broken since a block came.
    breaks: u32,
    /// The server has answered the last request, so that there may be a kept connection to it.
    answered: bool,
    progress: Progress,
    pass: Pass,
    /// Who sees what is said.
    tap: Tap,
}

/// What an answer has brought so far.
struct Pass {
    dropped: u64,
    taken: u64,
    /// When the coordinator last heard that something comes.
    told: Instant,
}

/// How a body came to its end.
enum BodyEnd {
    /// All of it was read, or all that was wanted.
    Enough,
    /// The connection broke.
    Broken(WebError),
}

impl Pass {
    /// Whether much was dropped, and hardly anything came behind it.
    fn is_in_vain(&self) -> bool {
        self.dropped > MAX_SKIPPED && self.taken < self.dropped / WORTH
    }
}

impl Fetcher {
    /// Has fetched nothing yet. The coordinator has the other end of `ends`.
    pub fn new(
        seed: WebSeed,
        client: WebClient,
        key: PeerKey,
        ends: DetachedWorker,
        context: &Arc<TorrentContext>,
        patience: Patience,
        tap: Tap,
    ) -> Fetcher {
        Fetcher {
            seed,
            client,
            context: Arc::downgrade(context),
            metainfo: Arc::clone(&context.metainfo),
            geometry: context.geometry,
            has_folder: address::has_folder(&context.metainfo),
            delivery: Delivery::new(key, ends.leases.clone()),
            ends,
            orders: Orders::default(),
            intake: Intake::new(),
            moved: None,
            breaks: 0,
            answered: false,
            progress: Progress::new(patience.block),
            pass: Pass { dropped: 0, taken: 0, told: Instant::now() },
            tap,
        }
    }

    /// Fetches what is ordered, until the coordinator hangs up or the server fails. Returns why it ended.
    pub fn run(mut self) -> PeerError {
        let end = self.live().err().unwrap_or(PeerError::Closed);
        let end = match end {
            PeerError::WebSeed(WebSeedFailure::Failed(_)) if self.pass.is_in_vain() => {
                PeerError::WebSeed(WebSeedFailure::WholeFilesOnly)
            }
            end => end,
        };
        // What came before the end counts: a verdict on a piece comes only once.
        let _ = self.report();
        // A request that was aborted looks like a server that failed.
        let end = self.ends.hung_up().map_or(end, PeerError::HungUp);
        self.tap.tell(|| seen::end(&self.seed, &end));
        end
    }

    fn live(&mut self) -> Result<(), PeerError> {
        if !address::is_of_the_web(&self.seed.address) {
            return Err(refused("only http:// and https:// addresses can be web seeds"));
        }
        loop {
            self.take_orders()?;
            let Some(run) = self.orders.run(&self.geometry, u64::MAX) else {
                self.wait_for_orders(None)?;
                continue;
            };
            self.intake.begin(run.start);
            let end = self.orders.end_ahead(&self.geometry, &run);
            self.fetch(self.intake.position()..end)?;
        }
    }

    /// Takes in the orders that have come.
    fn take_orders(&mut self) -> Result<(), PeerError> {
        for order in self.ends.orders() {
            obey(&mut self.orders, &order);
        }
        self.ends.hung_up().map_or(Ok(()), |why| Err(PeerError::HungUp(why)))
    }

    /// Waits for an order, until `due` where there is such a moment. The coordinator knows by then what came.
    fn wait_for_orders(&mut self, due: Option<Instant>) -> Result<(), PeerError> {
        self.report()?;
        if let Some(order) = self.ends.wait_for_order(due) {
            obey(&mut self.orders, &order);
        }
        self.take_orders()
    }

    /// Fetches the first part of this stretch of the payload, as far as it is in one file.
    fn fetch(&mut self, wanted: Range<u64>) -> Result<(), PeerError> {
        let metainfo = Arc::clone(&self.metainfo);
        let Some(segment) = first_segment(&metainfo, &wanted) else {
            return Err(failed("requested data that the torrent does not have"));
        };
        if segment.file.padding {
            return self.fill(segment.bytes.end.saturating_sub(segment.bytes.start));
        }
        let (mut answer, sent) = match self.ask(&segment) {
            Ok(answered) => answered,
            // A kept connection may be closed at any time.
            Err(PeerError::Lost(error)) if std::mem::take(&mut self.answered) => {
                return self.broke(&WebError::Broken(error));
            }
            Err(PeerError::Lost(error)) => return Err(failed(error)),
            Err(end) => return Err(end),
        };
        let end = segment.file.offset.saturating_add(sent.end);
        let to_skip = segment.bytes.start.saturating_sub(sent.start);
        match self.skip(&mut answer, to_skip).and_then(|end_of_skip| match end_of_skip {
            BodyEnd::Enough => self.read_body(&mut answer, end),
            broken => Ok(broken),
        })? {
            BodyEnd::Enough => self.report(),
            BodyEnd::Broken(error) => self.broke(&error),
        }
    }

    /// Padding has no bytes but zeros, and no server has it (BEP 47).
    fn fill(&mut self, mut zeros: u64) -> Result<(), PeerError> {
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

    /// Asks for a part of a file. Returns the answer, and which bytes of the file it brings.
    fn ask(&mut self, segment: &Segment<'_>) -> Result<(RangeAnswer, Range<u64>), PeerError> {
        // Where the server has sent us before. If that fails it may know a better place.
        if let Some((number, site)) = self.moved.take()
            && number == segment.number
            && let Ok(answered) = self.ask_at(&site, segment)
        {
            self.moved = Some((number, answered.0.moved_to.clone().unwrap_or(site)));
            return Ok(answered);
        }
        self.take_orders()?;
        let Some(address) = address::of_file(&self.seed.address, segment.file, self.has_folder) else {
            return Err(PeerError::WebSeed(WebSeedFailure::NoFile(segment.number)));
        };
        let answered = self.ask_at(&Site::new(&address, self.seed.word), segment)?;
        self.moved = answered.0.moved_to.clone().map(|site| (segment.number, site));
        Ok(answered)
    }

    fn ask_at(&mut self, site: &Site, segment: &Segment<'_>) -> Result<(RangeAnswer, Range<u64>), PeerError> {
        debug!("{site:?}: bytes {:?} of file {}", segment.bytes, segment.number + 1);
        self.tap.tell(|| seen::request(&self.seed, segment));
        let answer = self.client.get_range(site, &segment.bytes).map_err(end_of)?;
        self.tap.tell(|| seen::answer(&self.seed, &answer));
        self.answered = true;
        let most_skipped = if self.orders.reads_on { u64::MAX } else { MAX_SKIPPED };
        let sent = judge(&answer.head, &segment.bytes, segment.number, segment.file.length, most_skipped);
        (self.pass.dropped, self.pass.taken) = (0, 0);
        Ok((answer, sent.map_err(PeerError::WebSeed)?))
    }

    /// Reads bytes that are not wanted.
    fn skip(&mut self, answer: &mut RangeAnswer, mut bytes: u64) -> Result<BodyEnd, PeerError> {
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
    fn read_body(&mut self, answer: &mut RangeAnswer, end: u64) -> Result<BodyEnd, PeerError> {
        let mut unreported = 0_usize;
        while self.intake.position() < end {
            let Some(border) = self.goes_on(end)? else { return Ok(BodyEnd::Enough) };
            let portion = self.context()?.down.portion() as u64;
            let most = border.min(end).saturating_sub(self.intake.position());
            let room = self.intake.room(most.min(portion));
            match self.progress.read(answer, room)? {
                Ok(read) => {
                    self.pay(read)?;
                    self.came(read)?;
                    self.tell_of_reading_on()?;
                    unreported += read;
                    if read < FAST_READ || unreported >= REPORTED_BYTES {
                        self.report()?;
                        unreported = 0;
                    }
                }
                Err(error) => return Ok(BodyEnd::Broken(error)),
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

    /// Tells the coordinator what came.
    fn report(&mut self) -> Result<(), PeerError> {
        let context = self.context()?;
        self.delivery.report(&context)
    }

    /// The connection broke. What came is kept, and the next request goes on from there, some times.
    fn broke(&mut self, error: &WebError) -> Result<(), PeerError> {
        self.report()?;
        self.take_orders()?;
        self.breaks += 1;
        self.tap.tell(|| seen::broke(&self.seed, error));
        if self.breaks > MAX_BREAKS || self.pass.is_in_vain() {
            return Err(failed(error));
        }
        debug!("{}: {error}; resuming from there", self.seed_host());
        Ok(())
    }

    fn context(&self) -> Result<Arc<TorrentContext>, PeerError> {
        self.context.upgrade().ok_or(PeerError::HungUp(HangUp::RunEnded))
    }

    fn seed_host(&self) -> String {
        address::host(&self.seed.address)
    }
}

fn obey(orders: &mut Orders, order: &Order) {
    match order {
        Order::Request(spans) => orders.add(spans),
        Order::Ahead(pieces) => orders.go_on_through(pieces.clone()),
        Order::ReadOn => orders.reads_on = true,
        Order::Cancel(blocks) => orders.cancel(blocks),
        // The others are for peers.
        _ => {}
    }
}

pub(super) fn failed(why: impl ToString) -> PeerError {
    PeerError::WebSeed(WebSeedFailure::Failed(printable(&why.to_string())))
}

fn refused(why: impl ToString) -> PeerError {
    PeerError::WebSeed(WebSeedFailure::Refused(printable(&why.to_string())))
}

/// What the failure of a request means for the server. A connection that broke is [`PeerError::Lost`]: it may be one
/// that was kept and is tried again.
fn end_of(error: WebError) -> PeerError {
    match error {
        WebError::Refused(_)
        | WebError::NoTls
        | WebError::Magnet(_)
        | WebError::Scheme(_)
        | WebError::BadAddress => refused(error),
        WebError::Broken(error) => PeerError::Lost(error),
        _ => failed(error),
    }
}
