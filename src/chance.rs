//! Chance that falls alike on every machine: numbers below a count, a choice, and a shuffled list.
//!
//! What is simulated has to come out the same wherever it runs, so it must not be drawn by `usize`. For that `fastrand`
//! takes as many bits as the processor's words have, and from the first draw on all that follows is different. What is
//! drawn here takes 64 bits on every processor.

use fastrand::Rng;

/// A number below `count`, each of them as likely as the others. Where none is, 0.
pub fn below(count: usize, random: &mut Rng) -> usize {
    // What is below a `usize` is one.
    if count == 0 { 0 } else { random.u64(..count as u64) as usize }
}

/// One of these. `None` if there are none.
pub fn choice<'a, T>(of: &'a [T], random: &mut Rng) -> Option<&'a T> {
    of.get(below(of.len(), random))
}

/// Brings them into any order, each as likely as the others.
pub fn shuffle<T>(list: &mut [T], random: &mut Rng) {
    for at in 1..list.len() {
        list.swap(at, below(at + 1, random));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_as_it_does_on_processors_of_64_bits() {
        let random = &mut Rng::with_seed(7);
        let drawn: Vec<usize> = (0..8).map(|_| below(1000, random)).collect();
        let mut list: Vec<u8> = (0..8).collect();
        shuffle(&mut list, random);
        assert_eq!(drawn, [773, 222, 718, 481, 116, 165, 791, 92]);
        assert_eq!(list, [4, 2, 3, 7, 1, 6, 5, 0]);
        assert_eq!(choice(&list, random), Some(&7));
    }

    #[test]
    fn of_nothing_there_is_nothing_to_choose() {
        let random = &mut Rng::with_seed(7);
        assert_eq!((below(0, random), below(1, random)), (0, 0));
        assert_eq!(choice::<u8>(&[], random), None);
        shuffle::<u8>(&mut [], random);
    }
}
