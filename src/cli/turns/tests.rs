use super::*;
use crate::message::{MetadataState, Snapshot};

const SECOND: Duration = Duration::from_secs(1);

/// Where there are as many threads as places.
fn turns_of(torrents: usize, places: usize) -> Turns {
    Turns::new(torrents, Room { places, running: places })
}

fn started(turns: &mut Turns, now: Instant) -> Vec<usize> {
    std::iter::from_fn(|| turns.start_next(now)).collect()
}

fn running(received: u64, peers: usize) -> Progress {
    Progress::Running(Snapshot { received, peers, ..Snapshot::default() })
}

fn seeding() -> Progress {
    uploaded(0)
}

fn uploaded(uploaded: u64) -> Progress {
    Progress::Running(Snapshot { phase: RunPhase::Seeding, peers: 3, uploaded, ..Snapshot::default() })
}

#[test]
fn they_run_in_their_order_as_many_as_there_are_places() {
    let (now, mut turns) = (Instant::now(), turns_of(5, 2));
    assert_eq!(started(&mut turns, now), [0, 1]);
    assert_eq!(turns.ended(1, true, now), None);
    assert_eq!(started(&mut turns, now), [2]);
    assert_eq!(turns.count(), (2, 2));
    assert_eq!(turns.cancel(), [3, 4]);
    assert!(turns.ended(0, true, now).is_none() && started(&mut turns, now).is_empty());
    assert_eq!(started(&mut turns_of(2, 0), now), [0], "there is always one place");
}

#[test]
fn who_makes_no_progress_gives_way_while_others_wait_and_comes_again_later() {
    let (start, mut turns) = (Instant::now(), turns_of(3, 2));
    assert_eq!(started(&mut turns, start), [0, 1]);
    turns.heard(1, &running(0, 0), start);
    turns.heard(1, &running(16, 0), start + 30 * SECOND);
    assert!(turns.overdue(start + 59 * SECOND).is_empty());
    let later = start + 61 * SECOND;
    assert_eq!(turns.overdue(later), [0]);
    assert!(turns.overdue(start + 900 * SECOND).is_empty(), "one waits, and one gives way");
    let past = turns.ended(0, false, later).unwrap();
    assert_eq!(past, PastTurn { idle: 61 * SECOND, seeded: Duration::ZERO });
    assert_eq!(started(&mut turns, later), [2]);
    // The one that gave way rests, and so nobody gives way to it.
    let while_it_rests = start + 300 * SECOND;
    assert!(turns.overdue(while_it_rests).is_empty());
    let rested = later + FIRST_REST;
    assert_eq!(turns.overdue(rested).len(), 1);
}

#[test]
fn a_free_place_is_not_kept_free_for_those_that_rest() {
    let (start, mut turns) = (Instant::now(), turns_of(2, 1));
    assert_eq!(started(&mut turns, start), [0]);
    let later = start + 60 * SECOND;
    assert_eq!(turns.overdue(later), [0]);
    turns.ended(0, false, later);
    assert_eq!(started(&mut turns, later), [1]);
    turns.ended(1, true, later + SECOND);
    assert_eq!(started(&mut turns, later + SECOND), [0]);
}

#[test]
fn each_turn_without_progress_doubles_the_rest_and_the_time_without_progress_adds_up() {
    let (mut now, mut turns) = (Instant::now(), turns_of(2, 1));
    let (mut rests, mut idle) = (Vec::new(), Duration::ZERO);
    for _ in 0..10 {
        let number = turns.start_next(now).unwrap();
        turns.waiting.iter_mut().for_each(|waits| waits.rests_until = None);
        now += PATIENCE;
        assert_eq!(turns.overdue(now), [number]);
        let past = turns.ended(number, false, now).unwrap();
        if number == 0 {
            idle += PATIENCE;
            assert_eq!(past.idle, idle);
            rests.push((turns.waiting[1].rests_until.unwrap() - now).as_secs() / 60);
        }
    }
    assert_eq!(rests, [5, 10, 20, 30, 30]);
    // One byte, and all is forgotten.
    let number = turns.start_next(now).unwrap();
    turns.waiting.iter_mut().for_each(|waits| waits.rests_until = None);
    turns.heard(number, &running(1, 0), now);
    now += PATIENCE;
    assert_eq!(turns.overdue(now), [number]);
    assert_eq!(turns.ended(number, false, now).unwrap().idle, PATIENCE);
    assert_eq!(turns.waiting[1].rests_until, None);
}

#[test]
fn peers_earn_patience_and_what_we_do_ourselves_is_progress() {
    let start = Instant::now();
    let told = |progress: &Progress, seconds: u32| {
        let mut turns = turns_of(2, 1);
        turns.start_next(start);
        turns.heard(0, progress, start + SECOND);
        turns.overdue(start + seconds * SECOND)
    };
    assert_eq!(told(&running(0, 0), 60), [0]);
    assert_eq!((told(&running(0, 2), 179), told(&running(0, 2), 180)), (vec![], vec![0]));
    for check in [Progress::Checking(1, 2), Progress::WaitsForCheck] {
        assert_eq!(told(&check, 10_000), [0; 0]);
    }
    let metadata = |peers, pieces| {
        Progress::Metadata(MetadataState { peers, pieces: (pieces, 9), ..MetadataState::default() })
    };
    assert_eq!((told(&metadata(0, 0), 60), told(&metadata(1, 0), 60)), (vec![0], vec![]));
    assert_eq!(told(&metadata(0, 1), 60), [0; 0]);
}

#[test]
fn seeds_take_turns_and_give_way_to_downloads_soon() {
    let start = Instant::now();
    let mut turns = turns_of(3, 2);
    assert_eq!(started(&mut turns, start), [0, 1]);
    turns.heard(0, &seeding(), start);
    turns.heard(1, &running(5, 1), start + 59 * SECOND);
    assert!(turns.overdue(start + 59 * SECOND).is_empty());
    assert_eq!(turns.overdue(start + 60 * SECOND), [0]);
    let past = turns.ended(0, false, start + 60 * SECOND).unwrap();
    assert_eq!(past.seeded, 60 * SECOND);
    assert_eq!(started(&mut turns, start + 60 * SECOND), [2]);
    // Now only a seed waits. The other seeds have their half hour.
    turns.heard(1, &seeding(), start + 70 * SECOND);
    turns.heard(2, &seeding(), start + 80 * SECOND);
    for (at, bytes) in [(200, 1), (1800, 2)] {
        [1, 2].iter().for_each(|number| turns.heard(*number, &uploaded(bytes), start + at * SECOND));
        assert!(turns.overdue(start + at * SECOND).is_empty());
    }
    assert!(turns.overdue(start + 70 * SECOND + SEED_TURN - SECOND).is_empty());
    assert_eq!(turns.overdue(start + 70 * SECOND + SEED_TURN), [1]);
    // A download comes before the seeds that wait for longer.
    let mut turns = turns_of(2, 1);
    turns.start_next(start);
    turns.heard(0, &seeding(), start);
    assert_eq!(turns.overdue(start + SEED_TURN), [0]);
    turns.ended(0, false, start + SEED_TURN);
    turns.waiting.reverse();
    assert_eq!(turns.start_next(start + SEED_TURN), Some(1));
}

#[test]
fn what_did_not_fit_runs_when_another_has_ended() {
    let (now, mut turns) = (Instant::now(), turns_of(4, 3));
    assert_eq!(started(&mut turns, now), [0, 1, 2]);
    assert!(turns.did_not_fit(1, now));
    assert!(started(&mut turns, now).is_empty(), "there are two places now");
    turns.ended(0, true, now);
    assert_eq!(started(&mut turns, now), [1]);
    turns.ended(2, true, now);
    assert_eq!(started(&mut turns, now), [3]);
    turns.ended(3, true, now);
    assert!(!turns.did_not_fit(1, now), "there was nothing else that ran");
}

#[test]
fn places_that_the_system_had_no_room_for_are_tried_again_one_by_one() {
    let (start, mut turns) = (Instant::now(), turns_of(9, 4));
    assert_eq!(started(&mut turns, start), [0, 1, 2, 3]);
    assert!(turns.did_not_fit(3, start) && turns.did_not_fit(2, start));
    assert!(started(&mut turns, start + TRY_AGAIN - SECOND).is_empty(), "there are two places");
    let mut now = start + TRY_AGAIN;
    assert_eq!(started(&mut turns, now), [2]);
    assert!(turns.did_not_fit(2, now), "the system has no more yet");
    assert!(started(&mut turns, now + TRY_AGAIN - SECOND).is_empty());
    for expected in [vec![2], vec![3], vec![]] {
        now += TRY_AGAIN;
        assert_eq!(started(&mut turns, now), expected, "four at most, as at the start");
    }
}

#[test]
fn who_seeds_has_no_place_and_gives_way_only_where_threads_are_short() {
    let (start, mut turns) = (Instant::now(), Turns::new(9, Room { places: 2, running: 6 }));
    assert_eq!(started(&mut turns, start), [0, 1]);
    turns.heard(0, &seeding(), start);
    assert_eq!(started(&mut turns, start), [2]);
    // One of those with a place gives way to those that wait; the seed would free none.
    assert_eq!(turns.overdue(start + SEED_TURN), [1, 2]);
    let mut now = start + SEED_TURN;
    [1, 2].iter().for_each(|number| assert!(turns.ended(*number, true, now).is_none()));
    for number in [3, 4, 5, 6] {
        assert_eq!(started(&mut turns, now).len(), if number == 3 { 2 } else { 1 }, "{number}");
        turns.heard(number, &seeding(), now);
    }
    assert!(started(&mut turns, now).is_empty() && turns.count() == (6, 1), "there are threads for six");
    // Now a seed has to go, since what waits is new, and for all that is known a download.
    now += SEED_TURN_BEFORE_DOWNLOADS;
    assert_eq!(turns.overdue(now), [0]);
}

#[test]
fn a_seed_that_nobody_asks_gives_way_to_one_that_waits_sooner() {
    let start = Instant::now();
    let mut turns = turns_of(3, 2);
    assert_eq!(started(&mut turns, start), [0, 1]);
    [0, 1].iter().for_each(|number| turns.heard(*number, &seeding(), start));
    assert_eq!(turns.overdue(start + SEED_TURN_BEFORE_DOWNLOADS), [0]);
    turns.ended(0, false, start + SEED_TURN_BEFORE_DOWNLOADS);
    assert_eq!(started(&mut turns, start + SEED_TURN_BEFORE_DOWNLOADS), [2]);
    let then = start + 2 * SEED_TURN_BEFORE_DOWNLOADS;
    turns.heard(2, &seeding(), then);
    // All three seed. One is asked for, the other is not.
    let now = then + SEED_TURN_UNASKED;
    turns.heard(1, &uploaded(1), now - SECOND);
    assert_eq!(turns.overdue(now - SECOND), [0; 0]);
    assert_eq!(turns.overdue(now), [2]);
}

#[test]
fn the_more_that_ran_well_the_more_are_tried_again_at_once() {
    let (start, mut turns) = (Instant::now(), turns_of(300, 200));
    assert_eq!(started(&mut turns, start).len(), 200);
    (10..200).for_each(|number| assert!(turns.did_not_fit(number, start)));
    let counts = (1..=8).map(|minute| started(&mut turns, start + minute * TRY_AGAIN).len());
    assert_eq!(counts.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 64, 63]);
}
