//! The thread of a web seed: from an order to the blocks.
//!
//! Runs on the thread `web-HOST`. It blocks on its orders while it has none; on the server, each time for
//! [`Patience::silence`] at most; on the coordinator's inbox, or the writer's when the disk is slower than the server;
//! and on its turn where there is a download limit. While it waits for the server it holds nothing of the run, so the
//! end of the run does not wait for it.

mod body;

use super::WebSeed;
use super::address;
use super::failure::{end_of, failed, refused};
use super::files::{Segment, first_segment};
use super::intake::Intake;
use super::orders::Orders;
use super::progress::Progress;
use super::seen;
use super::verdict::{MAX_SKIPPED, judge};
use crate::message::{HangUp, Order, PeerError, PeerKey, WebSeedFailure};
use crate::metainfo::Metainfo;
use crate::net::http::{Awaited, Foreseen, MOST_REQUESTS, RangeAnswer, Site, WebClient, WebError};
use crate::net::tap::Tap;
use crate::peer::{Delivery, DetachedWorker, TorrentContext};
use crate::piece::Geometry;
use log::debug;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How long a server may be silent within a body.
const SILENCE: Duration = Duration::from_secs(20);

/// How long the bytes of a block may take.
const BLOCK_DEADLINE: Duration = Duration::from_secs(60);

/// How often in a row the connection may break before a whole block has come.
const MAX_BREAKS: u32 = 3;

/// How often in a row something may go wrong while requests are sent ahead, until none are: a server may be unfit for it.
/// One that falls silent is.
const MAX_MISSTEPS: u32 = 3;

/// Where a server sends files only whole, what comes of one has to be this part at least of what was dropped before it.
/// Otherwise it is not asked again: a server that breaks off each time would send the same for ever.
const WORTH: u64 = 16;

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
    /// How often something went wrong while requests were sent ahead, since a block came.
    missteps: u32,
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
            missteps: 0,
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
        let foreseen = self.foreseen(&segment, wanted.end);
        let (mut answer, sent) = match self.ask(&segment, foreseen) {
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

    /// The files behind this stretch of one that are wanted whole, up to this byte of the payload. None as long as
    /// many are on their way: to find them takes time, too.
    fn foreseen(&self, segment: &Segment<'_>, end: u64) -> Vec<Foreseen> {
        let mut foreseen = Vec::new();
        let mut position = segment.file.offset.saturating_add(segment.bytes.end);
        let is_time = self.missteps < MAX_MISSTEPS && self.client.sent_ahead() <= MOST_REQUESTS / 2;
        while is_time
            && foreseen.len() < MOST_REQUESTS
            && let Some(next) = first_segment(&self.metainfo, &(position..end))
        {
            position = next.file.offset.saturating_add(next.bytes.end);
            if next.file.padding {
                continue;
            }
            let address = address::of_file(&self.seed.address, next.file, self.has_folder);
            let Some(address) = address.filter(|_| next.bytes == (0..next.file.length)) else { break };
            foreseen.push(Foreseen { address, length: next.file.length });
        }
        foreseen
    }

    /// Asks for a part of a file. Returns the answer, and which bytes of the file it brings.
    fn ask(
        &mut self,
        segment: &Segment<'_>,
        foreseen: Vec<Foreseen>,
    ) -> Result<(RangeAnswer, Range<u64>), PeerError> {
        // Where the server has sent us before. If that fails it may know a better place.
        if let Some((number, site)) = self.moved.take()
            && number == segment.number
            && let Ok(answered) = self.ask_at(&site, segment, Vec::new())
        {
            self.moved = Some((number, answered.0.moved_to.clone().unwrap_or(site)));
            return Ok(answered);
        }
        self.take_orders()?;
        let Some(address) = address::of_file(&self.seed.address, segment.file, self.has_folder) else {
            return Err(PeerError::WebSeed(WebSeedFailure::NoFile(segment.number)));
        };
        let site = Site::new(&address, self.seed.word);
        // That does not change.
        self.client.may_begin(&site).map_err(refused)?;
        let answered = self.ask_at(&site, segment, foreseen)?;
        self.moved = answered.0.moved_to.clone().map(|site| (segment.number, site));
        Ok(answered)
    }

    fn ask_at(
        &mut self,
        site: &Site,
        segment: &Segment<'_>,
        foreseen: Vec<Foreseen>,
    ) -> Result<(RangeAnswer, Range<u64>), PeerError> {
        debug!("{site:?}: bytes {:?} of file {}", segment.bytes, segment.number + 1);
        self.tap.tell(|| seen::request(&self.seed, segment));
        let is_ahead = !foreseen.is_empty() || self.client.sent_ahead() > 0;
        let answer = self.client.get_range(site, &segment.bytes, foreseen).map_err(|error| match error {
            // Perhaps it forgets what is sent ahead.
            WebError::TimedOut(Awaited::Answer) if is_ahead => PeerError::Lost(ErrorKind::TimedOut.into()),
            error => end_of(error),
        });
        let answer = answer.inspect_err(|error| {
            let is_deaf = matches!(error, PeerError::Lost(error) if error.kind() == ErrorKind::TimedOut);
            self.missteps += if is_deaf { MAX_MISSTEPS } else { u32::from(is_ahead) };
        })?;
        self.tap.tell(|| seen::answer(&self.seed, &answer));
        self.answered = true;
        let most_skipped = if self.orders.reads_on { u64::MAX } else { MAX_SKIPPED };
        let sent = judge(&answer.head, &segment.bytes, segment.number, segment.file.length, most_skipped);
        (self.pass.dropped, self.pass.taken) = (0, 0);
        Ok((answer, sent.map_err(PeerError::WebSeed)?))
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
