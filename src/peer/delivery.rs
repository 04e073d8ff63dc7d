//! What came of the blocks that one source was asked for: into the assembly, and the news of it to the coordinator.
//!
//! A source is a peer or a web seed: both are asked by leases, report in the same words, and are blamed alike.
//! Runs on the thread of whoever reads from the source, and blocks on the inbox of the coordinator, and on that of
//! the writer when the disk is slower than the source. It holds nothing of the torrent between two calls, so that a
//! thread that waits for its source keeps no run from ending.

use super::TorrentContext;
use super::ledger::{BlockClaim, Ledger};
use crate::message::{
    Event, HangUp, Lease, MAX_REPORTS, News, PeerError, PeerKey, Report, ReportPlaces, ReportSlots,
    Violation, Write,
};
use crate::piece::{Assembly, Bitfield, Block, PieceIndex, Put, Span};
use crossbeam_channel::{Receiver, select};
use std::sync::Arc;

/// News in one report at most; the rest comes with the next. What a read brings of blocks is little news, so
/// this bounds only what peers that flood us put into the coordinator's inbox: with [`MAX_REPORTS`] of them, some
/// 50 KiB a peer. A report has one late bitfield at most, and then all the peer's places, as it is large itself.
const MAX_REPORT: usize = 64;
/// Pieces in one report that the peer has told one by one. Together they take as little as other news.
const MAX_TOLD: usize = 512;

/// What one source delivers.
#[derive(Debug)]
pub struct Delivery {
    key: PeerKey,
    ledger: Ledger,
    news: Vec<News>,
    /// Where in the news a late bitfield is.
    late_bitfield: Option<usize>,
    /// How many pieces in the news were told one by one.
    told: usize,
    /// The places of its reports in the inbox.
    slots: ReportSlots,
    /// Verified pieces, which go to the writer when the news of them is told.
    verified: Vec<Write>,
}

impl Delivery {
    /// Nothing yet. It is asked for what comes out of `leases`.
    pub fn new(key: PeerKey, leases: Receiver<Lease>) -> Delivery {
        Delivery {
            key,
            ledger: Ledger::new(leases),
            news: Vec::new(),
            late_bitfield: None,
            told: 0,
            slots: ReportSlots::default(),
            verified: Vec::new(),
        }
    }

    /// Takes in a block that came.
    ///
    /// # Errors
    ///
    /// It is one of too many that were not asked for.
    pub fn block(&mut self, context: &TorrentContext, block: Block, data: &[u8]) -> Result<(), Violation> {
        let assembly = match self.ledger.claim(block) {
            BlockClaim::Leased(assembly) => assembly,
            BlockClaim::Late => {
                self.news.push(News::LateBlock(block));
                return Ok(());
            }
            BlockClaim::Unasked => return Ok(()),
            BlockClaim::Flood => return Err(Violation::UnaskedBlocks),
        };
        let put = assembly.put(block, data, self.key, &context.buffers);
        if !matches!(put, Put::Useless) {
            self.note_block(block, Arc::clone(&assembly));
        }
        match put {
            Put::Useless => self.news.push(News::LateBlock(block)),
            Put::Kept => {}
            Put::Verified { bytes, convicted } => {
                self.verified.push(Write::Piece(block.piece, bytes));
                self.news.push(News::Verified(block.piece, convicted));
            }
            Put::Corrupt(suspects) => self.news.push(News::Corrupt(assembly, suspects)),
        }
        Ok(())
    }

    /// Notes a block that came, in one span with the blocks before it where it follows them.
    fn note_block(&mut self, block: Block, assembly: Arc<Assembly>) {
        match self.news.last_mut() {
            Some(News::Blocks(span, into))
                if Arc::ptr_eq(into, &assembly)
                    && span.first.checked_add(span.count) == Some(block.number) =>
            {
                span.count += 1;
            }
            _ => {
                let span = Span { piece: block.piece, first: block.number, count: 1 };
                self.news.push(News::Blocks(span, assembly));
            }
        }
    }

    /// Notes what else the source says.
    pub fn note(&mut self, news: impl IntoIterator<Item = News>) {
        self.news.extend(news);
    }

    /// Notes that the source has this piece now. Those that come one after the other are told together: what leads to them
    /// costs a step for each report and not for each of them.
    pub fn note_have(&mut self, piece: PieceIndex) {
        self.told += 1;
        match self.news.last_mut() {
            Some(News::HaveMany(pieces)) => pieces.push(piece),
            Some(last @ News::Have(_)) => {
                if let News::Have(before) = *last {
                    *last = News::HaveMany(vec![before, piece]);
                }
            }
            _ => self.news.push(News::Have(piece)),
        }
    }

    /// Notes a bitfield that is not the first. Several of them are one in the report, since each only adds pieces.
    pub fn note_late_bitfield(&mut self, pieces: Bitfield) {
        match self.late_bitfield.and_then(|at| self.news.get_mut(at)) {
            Some(News::AnotherBitfield(late)) => late.insert_all(&pieces),
            _ => {
                self.late_bitfield = Some(self.news.len());
                self.news.push(News::AnotherBitfield(pieces));
            }
        }
    }

    /// Whether what was noted has to be told before what comes next: it is much, or there is a late bitfield and a piece
    /// that the peer has lost since, and may have again in a further bitfield.
    pub fn has_to_tell(&self) -> bool {
        let is_much = self.news.len() >= MAX_REPORT || self.told >= MAX_TOLD;
        is_much || (self.late_bitfield.is_some() && matches!(self.news.last(), Some(News::DontHave(_))))
    }

    /// Takes the lease of a block that will not come. False where it was not asked for.
    pub fn reject(&mut self, block: Block) -> bool {
        self.ledger.reject(block)
    }

    /// Whether a block has come that was asked for.
    pub fn has_been_served(&self) -> bool {
        self.ledger.has_been_served()
    }

    /// Tells the coordinator what came, and then gives the verified pieces to the writer: what the writer
    /// says of them must not come before our news of who sent them. Where the disk is behind, this waits for
    /// it.
    ///
    /// # Errors
    ///
    /// The coordinator or the writer has ended.
    pub fn report(&mut self, context: &TorrentContext) -> Result<(), PeerError> {
        if self.news.is_empty() {
            return Ok(());
        }
        let is_large = self.late_bitfield.take().is_some();
        self.told = 0;
        // The leases must not pile up either where no block comes that looks for its lease.
        self.ledger.enter_leases();
        let news = std::mem::take(&mut self.news);
        let places = self.places(if is_large { MAX_REPORTS } else { 1 });
        let told = places.and_then(|places| {
            let event = Event::Heard(self.key, Report { news, places: Some(places) });
            context.events.send(event).map_err(|_| PeerError::HungUp(HangUp::RunEnded))
        });
        for write in self.verified.drain(..) {
            context.writer.send(write).map_err(|_| PeerError::HungUp(HangUp::WriterEnded))?;
        }
        told
    }

    /// Waits for so many places in the coordinator's inbox, and takes in leases meanwhile.
    fn places(&mut self, count: usize) -> Result<ReportPlaces, PeerError> {
        let mut places = self.slots.begin();
        while places.count() < count {
            // Nearly always one is free, and looking at one channel costs less than waiting for two.
            if self.slots.freed().try_recv().is_ok() {
                places.add();
                continue;
            }
            let lease = select! {
                recv(self.slots.freed()) -> _ => None,
                recv(self.ledger.leases()) -> lease => Some(lease),
            };
            match lease {
                None => places.add(),
                Some(Ok(lease)) => self.ledger.enter(&lease),
                Some(Err(_)) => return Err(PeerError::HungUp(HangUp::Released)),
            }
        }
        Ok(places)
    }
}
