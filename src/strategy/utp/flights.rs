//! Packets in the order in which they left, and which of them are lost (BEP 29, "packet loss"). Pure.
//!
//! Each time that a packet leaves is a *flight*. A flight is lost if three that left later have landed. So a packet
//! that is sent again, and lost again, is found out in the same way as one that is sent for the first time.
//! Where packets overtake each other, three are too few; then the patience grows.

use std::collections::VecDeque;

/// How many later flights land before one is lost.
const PATIENCE: usize = 3;
/// The same where packets overtake each other all the time.
const MAX_PATIENCE: usize = 96;

/// One time that a packet left.
#[derive(Clone, Copy, Debug)]
struct Flight {
    sequence: u16,
    landed: bool,
}

/// The flights that may still be lost.
#[derive(Clone, Debug)]
pub struct Flights {
    /// The oldest first. Their numbers follow each other.
    flights: VecDeque<Flight>,
    /// The number of the oldest.
    first: u64,
    /// How many of them have landed.
    landed: usize,
    patience: usize,
    /// Those before this number were given up together, in one timeout.
    given_up: u64,
}

impl Flights {
    /// None yet.
    pub fn new() -> Flights {
        Flights { flights: VecDeque::new(), first: 0, landed: 0, patience: PATIENCE, given_up: 0 }
    }

    /// A packet leaves. Returns the number of the flight; later ones have greater numbers.
    pub fn depart(&mut self, sequence: u16) -> u64 {
        self.flights.push_back(Flight { sequence, landed: false });
        self.next() - 1
    }

    /// The number of the next flight.
    pub fn next(&self) -> u64 {
        self.first + self.flights.len() as u64
    }

    /// A flight was acknowledged.
    pub fn land(&mut self, number: u64) {
        let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(flight) = at.and_then(|at| self.flights.get_mut(at)).filter(|flight| !flight.landed) {
            flight.landed = true;
            self.landed += 1;
        }
        // In front of these nothing is missing.
        while self.flights.front().is_some_and(|flight| flight.landed) {
            self.landed -= 1;
            self.pop();
        }
    }

    /// The next flight that is lost: the packet, and the number of the flight.
    pub fn next_lost(&mut self) -> Option<(u16, u64)> {
        while let Some(flight) = self.flights.front().copied() {
            if flight.landed {
                self.landed -= 1;
            } else if self.landed < self.patience {
                return None;
            }
            let number = self.first;
            self.pop();
            if !flight.landed {
                return Some((flight.sequence, number));
            }
        }
        None
    }

    /// A flight that counted as lost was only late.
    pub fn was_late(&mut self, number: u64) {
        if number >= self.given_up {
            self.patience = (self.patience * 2).min(MAX_PATIENCE);
        }
    }

    /// All of them are given up.
    pub fn give_up(&mut self) {
        self.first = self.next();
        self.given_up = self.first;
        self.flights.clear();
        self.landed = 0;
    }

    fn pop(&mut self) {
        if self.flights.pop_front().is_some() {
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flight_is_lost_when_three_later_ones_have_landed() {
        let mut flights = Flights::new();
        let numbers: Vec<u64> = (0..10).map(|sequence| flights.depart(sequence)).collect();
        flights.land(numbers[0]);
        for later in [3, 5] {
            flights.land(numbers[later]);
            assert_eq!(flights.next_lost(), None);
        }
        flights.land(numbers[5]);
        assert_eq!(flights.next_lost(), None, "one that lands twice has landed once");
        flights.land(numbers[9]);
        assert_eq!(flights.next_lost(), Some((1, numbers[1])));
        assert_eq!(flights.next_lost(), Some((2, numbers[2])));
        // Behind the fourth only two have landed.
        assert_eq!(flights.next_lost(), None);
        // Sent again, and lost again.
        let again = flights.depart(1);
        let later: Vec<u64> = (10..13).map(|sequence| flights.depart(sequence)).collect();
        later.iter().for_each(|number| flights.land(*number));
        let lost: Vec<u16> =
            std::iter::from_fn(|| flights.next_lost()).map(|(sequence, _)| sequence).collect();
        assert_eq!((lost, again), (vec![4, 6, 7, 8, 1], 10));
        assert_eq!(flights.flights.len(), 0);
    }

    #[test]
    fn where_packets_overtake_each_other_the_patience_grows() {
        let mut flights = Flights::new();
        flights.was_late(0);
        for sequence in 0..7 {
            flights.depart(sequence);
        }
        (1..6).for_each(|number| flights.land(number));
        assert_eq!(flights.next_lost(), None);
        flights.land(6);
        assert_eq!(flights.next_lost(), Some((0, 0)));
        (0..20).for_each(|_| flights.was_late(0));
        assert_eq!(flights.patience, MAX_PATIENCE);
        // One that was given up because nothing came for long says nothing of it.
        let mut flights = Flights::new();
        let number = flights.depart(0);
        flights.give_up();
        flights.was_late(number);
        assert_eq!(flights.patience, PATIENCE);
    }
}
