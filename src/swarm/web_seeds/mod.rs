//! Web seeds (BEP 19): servers of the web that have the files of the torrent.
//!
//! A web seed is a source of blocks as a peer is one. Its worker (`web_seed/mod.rs`) takes leases and reports as that
//! of a peer does. It stands in the roster, is asked by the same pipelines, and what it owes is taken over by the same
//! rules; if a piece was wrong, it is suspected and convicted in the same way. But it is no peer: it counts for no
//! limit of peers, nobody is told of it, and it gets nothing from us.
//!
//! - `servers.rs`: which servers there are, and which of them may be asked when.
//! - `runs.rs`: which blocks they are asked for.
//!
//! This file starts their workers, and hears how they end. All of it is on the coordinator's thread.

mod runs;
mod servers;

pub use servers::{Server, WebSeeds};

use crate::message::{HangUp, Order, PeerError, PeerKey, WebSeedFailure, WebSeedTrouble};
use crate::piece::Bitfield;
use crate::strategy::PeerPieces;
use crate::swarm::Coordinator;
use crate::swarm::peers::Peer;
use crate::text::reason;
use log::{debug, info, warn};
use std::time::Instant;

impl Coordinator<'_> {
    /// Begins with the servers that may be asked, and ends with all when nothing is wanted any more. Runs in every
    /// tick, and when the worker of one has ended.
    pub(in crate::swarm) fn look_after_web_seeds(&mut self, now: Instant) {
        if !self.is_downloading() {
            let running: Vec<PeerKey> = self.roster.running_web_seeds().collect();
            running.into_iter().for_each(|key| self.disconnect(key, HangUp::Released));
            return;
        }
        if self.roster.web_seeds().rest.is_on() {
            return;
        }
        while self.has_room_for_web_seed()
            && let Some(number) = self.roster.web_seeds().due(now)
        {
            self.start_web_seed(number, now);
        }
    }

    /// Whether the process may have another connection. A torrent without any may have one in any case.
    fn has_room_for_web_seed(&self) -> bool {
        self.environment.has_room(self.roster.all().count()) || self.roster.all().next().is_none()
    }

    /// Starts the worker of a server, or lets the server rest.
    fn start_web_seed(&mut self, number: usize, now: Instant) {
        let key = self.roster.next_key();
        let Some(server) = self.roster.web_seeds_mut().get_mut(number) else { return };
        let lacks: Vec<usize> = server.lacks().collect();
        let pieces = match lacks.is_empty() {
            true => PeerPieces::All,
            false => {
                let mut pieces = Bitfield::all(self.geometry.piece_count());
                for file in lacks {
                    let of_file = self.environment.pieces_of_file(file);
                    let of_file = of_file.start..of_file.end.min(self.geometry.piece_count());
                    of_file
                        .filter_map(|number| self.geometry.piece(number))
                        .for_each(|piece| _ = pieces.remove(piece));
                }
                PeerPieces::Some(pieces)
            }
        };
        let wanted = self.pieces.wanted_of(&pieces);
        if wanted == 0 {
            return server.is_of_no_use(now);
        }
        let reads_on = server.sends_whole_files;
        if reads_on && !self.is_worth_reading_on() {
            return self
                .roster
                .web_seeds_mut()
                .get_mut(number)
                .into_iter()
                .for_each(|it| it.is_left_to_others(now));
        }
        let Some(server) = self.roster.web_seeds_mut().get_mut(number) else { return };
        let host = server.seed.host();
        match self.environment.start_web_seed(key, server.seed.clone()) {
            Ok(worker) => {
                info!("downloading from the web seed {host}");
                server.begun(key, now);
                self.tell_asked(host.clone());
                if reads_on {
                    worker.order(Order::ReadOn);
                }
                self.roster.add(key, Peer::web_seed(host, worker, pieces, wanted, now));
                self.fill(key, now);
            }
            Err(error) => {
                debug!("the web seed {host} must wait: {}", reason(&error));
                server.had_no_thread(now);
            }
        }
    }

    /// Whether a server that sends files only whole is asked although what is there comes once more: where nobody else
    /// can be asked, or less of the payload is there than is missing.
    fn is_worth_reading_on(&self) -> bool {
        let is_asked = |peer: &Peer| peer.may_be_asked().is_some();
        let missing = self.pieces.missing_bytes();
        missing > self.pieces.stored_bytes() || !self.roster.senders().any(|(_, peer)| is_asked(peer))
    }

    /// The worker of a web seed has ended. False if this was none.
    pub(in crate::swarm) fn web_seed_gone(&mut self, key: PeerKey, why: &PeerError, now: Instant) -> bool {
        let chance = self.random.f64();
        let Some(server) = self.roster.web_seeds_mut().of_mut(key) else { return false };
        info!("the web seed {}: {}", server.seed.host(), server.seed.fault(why));
        server.ended(key, why, chance, now);
        self.roster.remove(key);
        if let PeerError::WebSeed(WebSeedFailure::WholeFilesOnly) = why {
            // It is to send all that is missing in one go, and open pieces would be a hole in that.
            self.requests.unbegun().into_iter().for_each(|piece| self.give_up(piece, now));
        }
        self.look_after_web_seeds(now);
        self.fill_hungry(None, now);
        true
    }

    /// A web seed has sent a block that was missing.
    pub(in crate::swarm) fn web_seed_sent(&mut self, key: PeerKey) {
        if let Some(server) = self.roster.web_seeds_mut().of_mut(key) {
            server.succeeded();
        }
    }

    /// A web seed has sent wrong data. It is never asked again. False if it was none.
    pub(in crate::swarm) fn ban_web_seed(&mut self, key: PeerKey) -> bool {
        let Some(server) = self.roster.web_seeds_mut().of_mut(key) else { return false };
        if !server.is_over() {
            let why = server.seed.accused_of(HangUp::WrongData);
            warn!("the web seed {} is no longer used: {why}", server.seed.host());
        }
        // It may have another worker by now.
        let running = server.ban().filter(|running| *running != key);
        running.into_iter().for_each(|running| self.disconnect(running, HangUp::WrongData));
        true
    }

    /// Lets web seeds rest where peers alone fill the download limit.
    pub(in crate::swarm) fn rest_web_seeds(&mut self, now: Instant) {
        let (mut from_peers, mut from_all) = (0.0, 0.0);
        for (_, peer) in self.roster.senders().filter(|(key, _)| self.requests.count(*key) > 0) {
            let rate = peer.download.pipeline.rate();
            from_all += rate;
            from_peers += if peer.is_web_seed() { 0.0 } else { rate };
        }
        let limit = self.settings.download_limit;
        let rests = self.roster.web_seeds_mut().rest.tick(limit, from_peers, from_all, now);
        let running: Vec<PeerKey> = self.roster.running_web_seeds().collect();
        for key in running {
            let Some(peer) = self.roster.get_mut(key).filter(|peer| peer.flags.peer_choking != rests) else {
                continue;
            };
            // It chokes nobody. But as one that does it is not asked, and everything else follows from that.
            peer.flags.peer_choking = rests;
            let blocks = if rests { self.requests.take_back(key) } else { Vec::new() };
            if let Some(peer) = self.roster.get(key).filter(|_| rests) {
                info!("{}: paused, because the peers can use the whole download limit", peer.name());
                peer.cancel(blocks, "the peers use the whole limit");
            }
        }
    }

    /// What is wrong with the web seeds, if nothing comes from them.
    pub(in crate::swarm) fn web_seed_trouble(&self) -> Option<WebSeedTrouble> {
        let asked = self.roster.running_web_seeds().find(|key| self.requests.count(*key) > 0);
        let silent = asked.and_then(|key| self.roster.get(key));
        let silent = silent.map(|peer| format!("{} does not send what was requested", peer.name()));
        let silent = silent.map(|said| WebSeedTrouble { said, is_final: false });
        silent.or_else(|| self.roster.web_seeds().trouble())
    }
}
