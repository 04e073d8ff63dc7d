//! The memory for pieces, which all torrents of the process share.
//!
//! `--memory` bounds all of them together. A torrent *claims* what it could use: while there is enough, each gets
//! what it wants, and one that is idle or complete keeps nothing. Where there is not enough, those that have less
//! than an equal share come first, and the others take no more until these have theirs. If there is not even a piece
//! for each, they take turns, piece by piece: who has none waits in a queue, nobody's memory grows while one waits,
//! and who has finished its last piece goes to the end of the queue. Whose peers choke it for a while waits for nothing
//! meanwhile, and has its old place when they send again. Memory comes back only when a piece is on the
//! disk or given up, so a torrent is never told to lose what it has received.
//!
//! A piece that is longer than all of the memory is open when no other is.
//!
//! What is spare when nobody wants any is freed.
//!
//! Coordinators call this on their own threads. The lock is held for one look at the accounts.

use crate::message::Event;
use crate::piece::BufferPool;
use crate::strategy::MemoryClaim;
use crate::thread::lock;
use crossbeam_channel::Sender;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// The memory of the process.
#[derive(Clone, Debug)]
pub struct MemoryPool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    accounts: Mutex<Accounts>,
    /// Whether a torrent waits for its first piece. Read without the lock.
    is_short: AtomicBool,
    buffers: Arc<BufferPool>,
}

#[derive(Debug)]
struct Accounts {
    /// Bytes for all.
    total: u64,
    open: Vec<Account>,
    /// The torrents that wait for memory for their first piece. Who has had none for longest comes first.
    waiting: VecDeque<u64>,
    last_number: u64,
    last_turn: u64,
}

/// What one torrent has.
#[derive(Debug)]
struct Account {
    number: u64,
    claim: MemoryClaim,
    granted: u64,
    /// Greater than those of all torrents that have had no memory since this one had some.
    turn: u64,
    /// The inbox of the torrent's coordinator.
    inbox: Sender<Event>,
}

/// The account of one torrent. What it has comes back when this is dropped.
#[derive(Debug)]
pub struct MemoryAccount {
    pool: MemoryPool,
    number: u64,
}

impl MemoryPool {
    /// A pool of so many bytes.
    pub fn new(total: u64) -> MemoryPool {
        let accounts =
            Accounts { total, open: Vec::new(), waiting: VecDeque::new(), last_number: 0, last_turn: 0 };
        MemoryPool(Arc::new(Shared {
            accounts: Mutex::new(accounts),
            is_short: AtomicBool::new(false),
            buffers: Arc::new(BufferPool::new(total)),
        }))
    }

    /// The spare buffers. In use and spare, they stay within this memory.
    pub fn buffers(&self) -> Arc<BufferPool> {
        Arc::clone(&self.0.buffers)
    }

    /// An account for a torrent. If it has to wait for memory, its coordinator hears when there is some.
    pub fn open(&self, inbox: &Sender<Event>) -> MemoryAccount {
        let mut accounts = lock(&self.0.accounts);
        accounts.last_number += 1;
        let number = accounts.last_number;
        let (claim, inbox, turn) = (MemoryClaim::default(), inbox.clone(), accounts.next_turn());
        accounts.open.push(Account { number, claim, granted: 0, turn, inbox });
        MemoryAccount { pool: self.clone(), number }
    }

    fn change<Outcome>(&self, change: impl FnOnce(&mut Accounts) -> Outcome) -> Outcome {
        let mut accounts = lock(&self.0.accounts);
        let outcome = change(&mut accounts);
        accounts.wake_next();
        self.0.is_short.store(!accounts.waiting.is_empty(), Ordering::Relaxed);
        let is_idle = accounts.are_idle();
        drop(accounts);
        if is_idle {
            self.0.buffers.free();
        }
        outcome
    }
}

impl MemoryAccount {
    /// Says what the torrent has in memory and what it could use. Returns how many bytes it may have in memory from
    /// now on: never less than it has.
    pub fn claim(&self, claim: MemoryClaim) -> u64 {
        self.pool.change(|accounts| accounts.claim(self.number, claim))
    }

    /// Whether another torrent waits until memory comes back. Takes no lock.
    pub fn is_wanted(&self) -> bool {
        self.pool.0.is_short.load(Ordering::Relaxed)
    }
}

impl Drop for MemoryAccount {
    fn drop(&mut self) {
        self.pool.change(|accounts| {
            accounts.open.retain(|account| account.number != self.number);
            accounts.waiting.retain(|number| *number != self.number);
        });
    }
}

impl Accounts {
    fn claim(&mut self, number: u64, claim: MemoryClaim) -> u64 {
        let turn = self.next_turn();
        let Some(account) = self.open.iter_mut().find(|account| account.number == number) else { return 0 };
        if account.claim.used > 0 {
            account.turn = turn;
        }
        account.claim = claim;
        let had = account.granted;
        let granted = self.grant(number, had, claim);
        if let Some(account) = self.open.iter_mut().find(|account| account.number == number) {
            account.granted = granted;
        }
        granted
    }

    fn grant(&mut self, number: u64, had: u64, claim: MemoryClaim) -> u64 {
        let MemoryClaim { used, wanted, piece } = claim;
        let wanted = if self.has_others(number) { claim_in_company(claim) } else { wanted };
        let others = self.granted().saturating_sub(had);
        let free = self.total.saturating_sub(others);
        let is_first = used == 0 && wanted > 0;
        if !is_first {
            self.waiting.retain(|waiting| *waiting != number);
        } else if had < piece || !self.waiting.is_empty() {
            if !self.waiting.contains(&number) {
                self.queue(number);
            }
            let fits = free >= piece || others == 0;
            if self.waiting.front() != Some(&number) || !fits {
                return 0;
            }
            self.waiting.pop_front();
        }
        let least = if is_first { piece } else { used };
        let most = match (self.waiting.is_empty(), self.share()) {
            // Who waits for its first piece comes first.
            (false, _) => least,
            (true, share) if self.others_lack(number, share) => share.max(piece),
            (true, _) => u64::MAX,
        };
        least.max(wanted.min(most).min(free))
    }

    /// Puts a torrent into the queue, behind those that have waited longer.
    fn queue(&mut self, number: u64) {
        let turn_of =
            |number: u64| self.open.iter().find(|account| account.number == number).map(|it| it.turn);
        let at = self.waiting.iter().position(|other| turn_of(*other) > turn_of(number));
        self.waiting.insert(at.unwrap_or(self.waiting.len()), number);
    }

    fn next_turn(&mut self) -> u64 {
        self.last_turn += 1;
        self.last_turn
    }

    fn granted(&self) -> u64 {
        self.open.iter().fold(0, |sum, account| sum.saturating_add(account.granted))
    }

    /// Whether no torrent has anything in memory or wants to.
    fn are_idle(&self) -> bool {
        self.open.iter().all(|account| account.claim.wanted == 0 && account.claim.used == 0)
    }

    /// An equal share for each torrent that wants some.
    fn share(&self) -> u64 {
        let claiming = self.open.iter().filter(|account| account.claim.wanted > 0).count();
        self.total / claiming.max(1) as u64
    }

    /// Whether another torrent wants some.
    fn has_others(&self, number: u64) -> bool {
        self.open.iter().any(|account| account.number != number && account.claim.wanted > 0)
    }

    /// Whether another torrent could use more and has less than its share, by a piece or more.
    fn others_lack(&self, number: u64, share: u64) -> bool {
        self.open.iter().filter(|account| account.number != number).any(|account| {
            let piece = account.claim.piece.max(1);
            account.granted / piece < claim_in_company(account.claim).min(share) / piece
        })
    }

    /// Tells the first that waits if there is memory for it.
    fn wake_next(&self) {
        let Some(first) = self.waiting.front() else { return };
        let Some(account) = self.open.iter().find(|account| account.number == *first) else { return };
        let granted = self.granted();
        if self.total.saturating_sub(granted) >= account.claim.piece || granted == 0 {
            // If its inbox is full, it claims at its next tick.
            let _ = account.inbox.try_send(Event::MemoryFree);
        }
    }
}

/// What a torrent may claim beside others: not much more than it has in use. What is only wanted would be missing
/// where it is used.
fn claim_in_company(claim: MemoryClaim) -> u64 {
    let MemoryClaim { used, wanted, piece } = claim;
    wanted.min(used.saturating_mul(2).max(used.saturating_add(piece.saturating_mul(2))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{Receiver, bounded};

    const PIECE: u64 = 16;

    struct Torrent(MemoryAccount, Receiver<Event>);

    impl Torrent {
        fn of(pool: &MemoryPool) -> Torrent {
            let (inbox, events) = bounded(1);
            Torrent(pool.open(&inbox), events)
        }

        fn claim(&self, used: u64, wanted: u64) -> u64 {
            self.0.claim(MemoryClaim { used, wanted, piece: PIECE })
        }

        fn is_woken(&self) -> bool {
            self.1.try_iter().count() > 0
        }
    }

    #[test]
    fn one_alone_has_what_it_wants_and_an_idle_one_keeps_nothing() {
        let pool = MemoryPool::new(100);
        let (one, other) = (Torrent::of(&pool), Torrent::of(&pool));
        assert_eq!((one.claim(0, 80), other.claim(0, 0)), (80, 0));
        assert_eq!(other.claim(0, 50), 20, "what is free");
        assert_eq!((one.claim(0, 0), other.claim(20, 100)), (0, 100));
        drop(other);
        assert_eq!(one.claim(0, 90), 90);
    }

    #[test]
    fn who_has_more_than_its_share_gives_back_as_its_pieces_end() {
        let pool = MemoryPool::new(100);
        let (one, other) = (Torrent::of(&pool), Torrent::of(&pool));
        assert_eq!((one.claim(0, 80), one.claim(80, 80)), (80, 80));
        assert_eq!(other.claim(0, 80), 20);
        assert_eq!(other.claim(20, 80), 20);
        assert_eq!(one.claim(80, 80), 80, "what it uses is not taken from it");
        assert_eq!((one.claim(64, 80), other.claim(20, 80)), (64, 36));
        assert_eq!((one.claim(32, 80), other.claim(36, 80)), (50, 50));
        assert_eq!((one.claim(50, 80), other.claim(50, 80)), (50, 50));
    }

    #[test]
    fn without_a_piece_for_each_they_take_turns_and_the_bound_holds() {
        let pool = MemoryPool::new(2 * PIECE);
        let torrents: Vec<Torrent> = (0..5).map(|_| Torrent::of(&pool)).collect();
        let granted: Vec<u64> = torrents.iter().map(|torrent| torrent.claim(0, 4 * PIECE)).collect();
        assert_eq!(granted, [2 * PIECE, 0, 0, 0, 0]);
        assert!(torrents.iter().all(|torrent| torrent.0.is_wanted()));
        // The first has one piece open when others come.
        assert_eq!(torrents[0].claim(PIECE, 4 * PIECE), PIECE);
        assert!(torrents[1].is_woken() && !torrents[2].is_woken());
        assert_eq!(torrents[2].claim(0, 4 * PIECE), 0, "it is not its turn");
        assert_eq!(torrents[1].claim(0, 4 * PIECE), PIECE);
        // From here on each takes a piece, and again when it is its turn.
        let mut order = Vec::new();
        let mut holders = VecDeque::from([0, 1]);
        torrents[1].claim(PIECE, 4 * PIECE);
        torrents.iter().for_each(|torrent| _ = torrent.is_woken());
        for _ in 0..12 {
            let done = holders.pop_front().unwrap();
            assert_eq!(torrents[done].claim(0, 4 * PIECE), 0, "others come first");
            let next = torrents.iter().position(Torrent::is_woken).unwrap();
            assert_eq!(torrents[next].claim(0, 4 * PIECE), PIECE);
            assert_eq!(torrents[next].claim(PIECE, 4 * PIECE), PIECE);
            assert!(lock(&pool.0.accounts).granted() <= 2 * PIECE);
            holders.push_back(next);
            order.push(next);
        }
        assert_eq!(order, [2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3]);
    }

    #[test]
    fn who_leaves_or_wants_nothing_any_more_lets_the_next_have_its_turn() {
        let pool = MemoryPool::new(PIECE);
        let torrents: Vec<Torrent> = (0..4).map(|_| Torrent::of(&pool)).collect();
        let granted: Vec<u64> = torrents.iter().map(|torrent| torrent.claim(0, PIECE)).collect();
        assert_eq!(granted, [PIECE, 0, 0, 0]);
        let mut torrents = torrents.into_iter();
        assert_eq!(torrents.next().unwrap().claim(0, 0), 0);
        let (second, third, fourth) =
            (torrents.next().unwrap(), torrents.next().unwrap(), torrents.next().unwrap());
        assert!(second.is_woken());
        drop(second);
        assert!(third.is_woken());
        assert_eq!(third.claim(0, 0), 0);
        assert!(fourth.is_woken() && fourth.claim(0, PIECE) == PIECE && !fourth.0.is_wanted());
    }

    #[test]
    fn who_was_choked_while_it_waited_has_its_old_place_again() {
        let pool = MemoryPool::new(PIECE);
        let [one, other, third] = [(); 3].map(|()| Torrent::of(&pool));
        assert_eq!([&one, &other, &third].map(|torrent| torrent.claim(0, PIECE)), [PIECE, 0, 0]);
        assert_eq!((one.claim(PIECE, PIECE), other.claim(0, 0), other.claim(0, PIECE)), (PIECE, 0, 0));
        assert_eq!((one.claim(0, PIECE), third.claim(0, PIECE)), (0, 0));
        assert_eq!(other.claim(0, PIECE), PIECE);
        assert_eq!((other.claim(PIECE, PIECE), other.claim(0, PIECE)), (PIECE, 0));
        assert_eq!(third.claim(0, PIECE), PIECE);
    }

    #[test]
    fn spare_buffers_are_kept_as_long_as_anybody_wants_memory() {
        let pool = MemoryPool::new(4 * PIECE);
        let (one, other) = (Torrent::of(&pool), Torrent::of(&pool));
        one.claim(0, 4 * PIECE);
        other.claim(0, 4 * PIECE);
        let buffer = pool.buffers().take(PIECE as usize);
        pool.buffers().give(buffer);
        one.claim(0, 0);
        assert_eq!(pool.buffers().spare_bytes(), PIECE);
        other.claim(0, 0);
        assert_eq!(pool.buffers().spare_bytes(), 0);
    }

    #[test]
    fn a_piece_longer_than_the_memory_is_open_alone() {
        let pool = MemoryPool::new(PIECE - 1);
        let (one, other) = (Torrent::of(&pool), Torrent::of(&pool));
        assert_eq!((one.claim(0, PIECE), other.claim(0, PIECE)), (PIECE, 0));
        assert_eq!((one.claim(PIECE, 2 * PIECE), other.claim(0, PIECE)), (PIECE, 0));
        assert_eq!(one.claim(0, PIECE), 0);
        assert!(other.is_woken() && other.claim(0, PIECE) == PIECE);
    }
}
