//! Who takes part in the demo: the seeders, each with its name, its pieces and its mood, and the tracker that knows them.

use super::listen;
use super::material::Material;
use super::mood::Mood;
use super::narrator::Name;
use super::seeder::{self, Seeder};
use super::server::DemoServer;
use super::tracker;
use super::voice::Voice;
use crate::cli::exit::{CommandFailure, Exit};
use crate::piece::{Bitfield, Geometry};
use crate::text::reason;
use crate::thread::lock;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::sync::{Arc, Mutex};

/// One of the seeders: its name, which pieces it has, and how it behaves.
struct Role {
    name: &'static str,
    has: fn(u32) -> bool,
    mood: Mood,
}

/// Who takes part. A and B lack some pieces, but not the same ones, unless B is slow: that a quick seeder takes over from
/// a slow one can be seen only where both have the piece. A liar is one more.
fn roles(mood: Mood) -> Vec<Role> {
    let all = |_| true;
    let has: [fn(u32) -> bool; 2] =
        if mood.is_slow { [all, all] } else { [|piece| piece % 3 != 1, |piece| piece % 3 != 0] };
    let [first, second] = has;
    // Whoever has the lesson to teach is asked first.
    let hesitates = mood.lies || mood.is_slow;
    let first_mood = Mood { hesitates, is_fast: mood.is_slow, ..Mood::default() };
    let second_mood = Mood { lies: false, hesitates: mood.lies && !mood.is_slow, ..mood };
    let mut roles = vec![
        Role { name: "A", has: first, mood: first_mood },
        Role { name: "B", has: second, mood: second_mood },
    ];
    if mood.lies {
        roles.push(Role { name: "C", has: all, mood: Mood { lies: true, ..Mood::default() } });
    }
    roles
}

/// A seeder while it runs, and the pieces of the blocks that it sent.
struct Player {
    role: Role,
    server: DemoServer,
    sent: Arc<Mutex<Vec<u32>>>,
}

/// All of them, while they run.
pub struct Cast {
    players: Vec<Player>,
    tracker: DemoServer,
    events: Arc<Mutex<Vec<String>>>,
}

/// What they did.
pub struct Accounts {
    /// The events that the tracker heard of.
    pub events: Vec<String>,
    /// For each seeder, the pieces of the blocks that it sent, in order.
    pub sent: Vec<(&'static str, Vec<u32>)>,
}

impl Cast {
    /// Starts seeders of this mood, and the tracker.
    ///
    /// # Errors
    ///
    /// Loopback cannot be used, or the system has no more threads.
    pub fn start(material: &Material, mood: Mood) -> Result<Cast, CommandFailure> {
        let no_thread = |error| (Exit::OTHER, format!("cannot start a thread: {}", reason(&error)));
        let (geometry, info_hash) = (material.geometry, material.metainfo.info_hash);
        let mut players = Vec::new();
        for (number, role) in (1..).zip(roles(mood)) {
            let (listener, _) = listen(SocketAddrV4::new(own_address(number), 0))?;
            let mut pieces = Bitfield::none(geometry.piece_count());
            geometry
                .pieces()
                .filter(|piece| (role.has)(piece.get()))
                .for_each(|piece| _ = pieces.insert(piece));
            let payload = Arc::clone(&material.payload);
            let mood = Mood { is_watched: mood.is_watched, ..role.mood };
            let seeder = Seeder { info_hash, geometry, payload, pieces, mood };
            let sent = Arc::<Mutex<Vec<u32>>>::default();
            let server = seeder::start(listener, seeder, Arc::clone(&sent)).map_err(no_thread)?;
            players.push(Player { role, server, sent });
        }
        let addresses: Vec<SocketAddr> = players.iter().map(|player| player.server.address()).collect();
        let (listener, _) = listen(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        let events = Arc::<Mutex<Vec<String>>>::default();
        let tracker =
            tracker::start(listener, &addresses, Arc::clone(&events), |_| None).map_err(no_thread)?;
        Ok(Cast { players, tracker, events })
    }

    /// The address of the tracker, without a path.
    pub fn site(&self) -> String {
        format!("http://{}", self.tracker.address())
    }

    /// Where each seeder is, and its name.
    pub fn seeders(&self) -> Vec<(SocketAddr, &'static str)> {
        self.players.iter().map(|player| (player.server.address(), player.role.name)).collect()
    }

    /// The names of all, by how a trace calls them.
    pub fn names(&self) -> Vec<Name> {
        let seeders = self.seeders().into_iter().map(|(address, name)| (address.to_string(), name));
        seeders.chain([(self.site(), "tracker")]).collect()
    }

    /// Says who they are.
    pub fn introduce(&self, geometry: Geometry, voice: Voice) {
        for Player { role: Role { name, has, mood }, server, .. } in &self.players {
            let row: String =
                geometry.pieces().map(|piece| if has(piece.get()) { '#' } else { '.' }).collect();
            let address = server.address().to_string();
            voice.tell(
                &format!("seeder {name}"),
                format_args!("{address:<21} has the pieces {row}{}", oddity(*mood)),
            );
        }
    }

    /// Ends them all.
    pub fn end(self) -> Accounts {
        let Cast { players, tracker, events } = self;
        drop(tracker);
        let stop = |Player { role, server, sent }| {
            drop(server);
            (role.name, std::mem::take(&mut *lock(&sent)))
        };
        let sent = players.into_iter().map(stop).collect();
        Accounts { events: std::mem::take(&mut *lock(&events)), sent }
    }
}

/// What is odd about a seeder, for the end of its line.
fn oddity(mood: Mood) -> String {
    let oddities =
        [(mood.is_slow, "is slow"), (mood.chokes, "will choke us"), (mood.lies, "will send a wrong byte")];
    oddities.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| format!(", {text}")).collect()
}

/// The address of this seeder: one of its own, if the system has as many loopback addresses. Whoever sends wrong bytes
/// is avoided by its address.
fn own_address(number: u8) -> Ipv4Addr {
    let own = Ipv4Addr::new(127, 0, 0, number);
    TcpListener::bind((own, 0)).map_or(Ipv4Addr::LOCALHOST, |_| own)
}
