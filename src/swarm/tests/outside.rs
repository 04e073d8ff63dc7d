//! The world outside a coordinator, as a test sees it: it does nothing, and remembers what it was told to do.

use super::*;

/// The world outside the coordinator: what it has had done, and what it sees there.
#[derive(Default)]
pub(super) struct Outside {
    pub(super) workers: BTreeMap<PeerKey, DetachedWorker>,
    pub(super) dialed: Vec<SocketAddr>,
    /// The addresses whose connections fell silent.
    pub(super) silent: Vec<SocketAddr>,
    /// The key of the last attempt at each address.
    pub(super) attempts: BTreeMap<SocketAddr, PeerKey>,
    /// How the connections that we made began.
    pub(super) begun: Vec<(SocketAddr, Approach)>,
    pub(super) no_threads: bool,
    /// Other torrents have all connections that the process may have.
    pub(super) no_room: bool,
    pub(super) served: Option<Bitfield>,
    pub(super) writer_is_behind: bool,
    pub(super) search_trouble: Option<String>,
    pub(super) finish_told: bool,
    pub(super) claims: Vec<MemoryClaim>,
    pub(super) granted: Option<u64>,
    pub(super) memory_is_wanted: bool,
    pub(super) stopped: bool,
    pub(super) supplies: Vec<Supply>,
    pub(super) interruption: Option<Interruption>,
    pub(super) dht_nodes: Vec<SocketAddr>,
    pub(super) refused: Vec<IpAddr>,
    pub(super) in_vain: Vec<(IpAddr, u32)>,
    pub(super) ourselves: Vec<SocketAddr>,
    /// The workers of web seeds that were started, with the addresses.
    pub(super) asked_web_seeds: Vec<(PeerKey, String)>,
    /// The pieces of each file.
    pub(super) files: Vec<Range<u32>>,
    pub(super) shown: Vec<Snapshot>,
    /// The live view has asked for what it shows.
    pub(super) sight_wanted: bool,
    pub(super) sights: Vec<Sight>,
    pub(super) completed: usize,
}

pub(super) struct TestEnvironment(pub(super) Rc<RefCell<Outside>>);

impl TestEnvironment {
    fn worker(&self, key: PeerKey) -> io::Result<Worker> {
        let mut outside = self.0.borrow_mut();
        if outside.no_threads {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let (worker, other_end) = Worker::detached();
        outside.workers.insert(key, other_end);
        Ok(worker)
    }
}

impl Environment for TestEnvironment {
    fn has_room(&self, _: usize) -> bool {
        !self.0.borrow().no_room
    }

    fn claim_memory(&mut self, claim: MemoryClaim) -> u64 {
        let mut outside = self.0.borrow_mut();
        outside.claims.push(claim);
        outside.granted.unwrap_or(claim.wanted)
    }

    fn is_memory_wanted(&self) -> bool {
        self.0.borrow().memory_is_wanted
    }

    fn connect(&mut self, key: PeerKey, address: SocketAddr) -> io::Result<()> {
        let mut outside = self.0.borrow_mut();
        outside.dialed.push(address);
        outside.attempts.insert(address, key);
        if outside.no_threads { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }

    fn fell_silent(&mut self, address: SocketAddr) {
        self.0.borrow_mut().silent.push(address);
    }

    fn greet(
        &mut self,
        key: PeerKey,
        address: SocketAddr,
        _: PeerStream,
        opening: Opening,
    ) -> io::Result<Worker> {
        self.0.borrow_mut().begun.push((address, opening.approach));
        self.worker(key)
    }

    fn accept(&mut self, key: PeerKey, _: Incoming) -> io::Result<Worker> {
        self.worker(key)
    }

    fn resume(&mut self, key: PeerKey, _: crate::message::HandedOver) -> io::Result<Worker> {
        self.worker(key)
    }

    fn start_web_seed(&mut self, key: PeerKey, seed: WebSeed) -> io::Result<Worker> {
        let worker = self.worker(key)?;
        self.0.borrow_mut().asked_web_seeds.push((key, seed.address));
        Ok(worker)
    }

    fn pieces_of_file(&self, number: usize) -> Range<u32> {
        self.0.borrow().files.get(number).cloned().unwrap_or(0..u32::MAX)
    }

    fn piece_digest(&self, _: PieceIndex) -> PieceDigest {
        PieceDigest::default()
    }

    fn abandon(&mut self, _: &Assembly) {}

    fn served_pieces(&self) -> Bitfield {
        self.0.borrow().served.clone().unwrap()
    }

    fn is_writer_behind(&self) -> bool {
        self.0.borrow().writer_is_behind
    }

    fn finish_writing(&mut self) -> bool {
        self.0.borrow_mut().finish_told = true;
        true
    }

    fn show(&mut self, snapshot: Snapshot) {
        self.0.borrow_mut().shown.push(snapshot);
    }

    fn wants_sight(&mut self) -> bool {
        std::mem::take(&mut self.0.borrow_mut().sight_wanted)
    }

    fn show_sight(&mut self, sight: Sight) {
        self.0.borrow_mut().sights.push(sight);
    }

    fn is_stopped(&self) -> bool {
        self.0.borrow().stopped
    }

    fn search_trouble(&self, _: Instant) -> Option<String> {
        self.0.borrow().search_trouble.clone()
    }

    fn supply(&mut self, supply: Supply) {
        self.0.borrow_mut().supplies.push(supply);
    }

    fn look_around(&mut self, _: Instant) -> Option<Interruption> {
        self.0.borrow_mut().interruption.take()
    }

    fn refuse_connections(&mut self, from: IpAddr) {
        self.0.borrow_mut().refused.push(from);
    }

    fn met_ourselves(&mut self, address: SocketAddr) {
        self.0.borrow_mut().ourselves.push(address);
    }

    fn came_in_vain(&mut self, from: IpAddr, told: u32) {
        self.0.borrow_mut().in_vain.push((from, told));
    }

    fn dht_node(&mut self, address: SocketAddr) {
        self.0.borrow_mut().dht_nodes.push(address);
    }

    fn completed(&mut self, _: Snapshot) {
        self.0.borrow_mut().completed += 1;
    }
}
