//! Which pieces come before others, where the user says so.
//!
//! The pieces of the files that are wanted first come before all others, in *classes*, and within a class the rarest
//! of a sample comes first. Or all pieces come in the order of the payload. A peer that has none of a class is asked
//! for the next one: it would have nothing to do otherwise. This costs a step for every 64 pieces of a class when a
//! piece is opened, and a bit for each piece of a class.

use super::rarity::{PeerPieces, Rarity};
use crate::chance;
use crate::piece::{Bitfield, Geometry, PieceIndex};
use std::ops::Range;

/// Pieces of a class that are looked at to find a rare one.
const SAMPLE: usize = 64;

/// In which order pieces are opened. The default is the rarest first.
#[derive(Clone, Debug, Default)]
pub struct PieceOrder {
    /// The pieces that come before all others, class by class.
    pub classes: Vec<Bitfield>,
    /// Within a class, and among all others, the pieces come in the order of the payload.
    pub is_sequential: bool,
    /// Pieces leave in the order of the payload, and none is kept: see [`Window`](super::Window). Then nothing else
    /// counts.
    pub is_stream: bool,
}

impl PieceOrder {
    /// The piece that this peer should send first. `None` if the order says nothing of its pieces.
    pub fn pick(
        &self,
        geometry: Geometry,
        has: &PeerPieces,
        rarity: &Rarity,
        random: &mut fastrand::Rng,
    ) -> Option<PieceIndex> {
        let choosable = rarity.choosable();
        let classes = self.classes.iter().map(Some);
        let all = self.is_sequential.then_some(None);
        classes.chain(all).find_map(|class| {
            let start = if self.is_sequential {
                rarity.first_word()
            } else {
                chance::below(choosable.words().len(), random)
            };
            let word = |at: usize| {
                let word = |set: &Bitfield| set.words().get(at).copied().unwrap_or(0);
                let theirs = if let PeerPieces::Some(theirs) = has { word(theirs) } else { u64::MAX };
                (at, word(choosable) & theirs & class.map_or(u64::MAX, word))
            };
            let words = (start..choosable.words().len()).chain(0..start).map(word);
            let mut pieces = words.filter(|(_, word)| *word != 0).flat_map(|(at, mut word)| {
                std::iter::from_fn(move || {
                    let next = word.leading_zeros();
                    word &= !(1_u64 << 63).checked_shr(next)?;
                    geometry.piece(u32::try_from(at).ok()?.checked_mul(64)?.checked_add(next)?)
                })
            });
            match self.is_sequential {
                true => pieces.next(),
                false => pieces.take(SAMPLE).min_by_key(|piece| rarity.availability(*piece)),
            }
        })
    }

    /// Whether the order says nothing of any piece, so that the rarest comes first everywhere.
    pub fn is_rarest_first(&self) -> bool {
        !self.is_sequential && !self.is_stream && self.classes.is_empty()
    }

    /// Whether the order says something of this piece.
    pub fn is_about(&self, piece: PieceIndex) -> bool {
        self.is_sequential || self.classes.iter().any(|class| class.has(piece))
    }

    /// The run that a web server is to send from this piece on, which was [picked](PieceOrder::pick): it goes on
    /// through the class, for so many pieces at most. In the order of the payload it is this piece alone, since the
    /// next one that is picked mostly follows it.
    pub fn run_from(&self, geometry: Geometry, piece: PieceIndex, most: u32) -> Range<u32> {
        let class = self.classes.iter().find(|class| class.has(piece)).filter(|_| !self.is_sequential);
        let belongs =
            |number: &u32| geometry.piece(*number).zip(class).is_some_and(|(it, class)| class.has(it));
        let start = piece.get();
        let end = (start..start.saturating_add(most)).skip(1).take_while(belongs).last().unwrap_or(start);
        start..end.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: u32 = 200;

    fn geometry() -> Geometry {
        Geometry::new(PIECES.into(), 1).unwrap()
    }

    fn set(pieces: impl IntoIterator<Item = u32>) -> Bitfield {
        let mut set = Bitfield::none(PIECES);
        pieces.into_iter().for_each(|piece| assert!(set.insert(geometry().piece(piece).unwrap())));
        set
    }

    /// The order in which all missing pieces are opened.
    fn opened(order: &PieceOrder, missing: &Bitfield, has: &PeerPieces, rare: &[u32]) -> Vec<u32> {
        let mut random = fastrand::Rng::with_seed(3);
        let mut rarity = Rarity::new(geometry(), missing, &mut random);
        for piece in geometry().pieces().filter(|piece| !rare.contains(&piece.get())) {
            rarity.gained(piece);
        }
        let next = || {
            let piece = order.pick(geometry(), has, &rarity, &mut random)?;
            rarity.take(piece);
            Some(piece.get())
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn without_an_order_nothing_is_said() {
        assert_eq!(opened(&PieceOrder::default(), &set(0..PIECES), &PeerPieces::All, &[]), [0; 0]);
    }

    #[test]
    fn classes_come_one_after_the_other_and_the_rarest_of_each_first() {
        let order = PieceOrder {
            classes: vec![set(100..140), set([5, 120, 199])],
            is_sequential: false,
            is_stream: false,
        };
        for has in [PeerPieces::All, PeerPieces::Some(set(0..PIECES))] {
            let opened = opened(&order, &set(0..PIECES), &has, &[133, 199]);
            assert_eq!(opened[0], 133);
            assert!(opened[1..40].iter().all(|piece| (100..140).contains(piece)), "{opened:?}");
            assert_ne!(opened[1..40], (100..140).filter(|piece| *piece != 133).collect::<Vec<u32>>());
            assert_eq!(opened[40..], [199, 5]);
        }
    }

    #[test]
    fn a_run_ends_with_its_class_and_is_not_too_long() {
        let order = |is_sequential| PieceOrder {
            classes: vec![set(10..20), set([5, 6, 8])],
            is_sequential,
            is_stream: false,
        };
        let run = |piece, most| order(false).run_from(geometry(), geometry().piece(piece).unwrap(), most);
        assert_eq!([run(10, 99), run(15, 3), run(19, 99)], [10..20, 15..18, 19..20]);
        assert_eq!([run(5, 99), run(8, 99), run(199, 99), run(12, 0)], [5..7, 8..9, 199..200, 12..13]);
        assert_eq!(order(true).run_from(geometry(), geometry().piece(10).unwrap(), 99), 10..11);
    }

    #[test]
    fn a_peer_that_has_none_of_a_class_is_asked_for_the_next() {
        let order =
            PieceOrder { classes: vec![set(0..10), set(90..99)], is_sequential: false, is_stream: false };
        let opened = opened(&order, &set(0..PIECES), &PeerPieces::Some(set([150, 95, 199])), &[]);
        assert_eq!(opened, [95]);
    }

    #[test]
    fn in_order_means_in_order_as_far_as_the_peer_has_the_pieces() {
        let order = PieceOrder { classes: Vec::new(), is_sequential: true, is_stream: false };
        let missing = set((0..PIECES).filter(|piece| piece % 3 != 0));
        let all: Vec<u32> = (0..PIECES).filter(|piece| piece % 3 != 0).collect();
        assert_eq!(opened(&order, &missing, &PeerPieces::All, &[70]), all);
        assert_eq!(opened(&order, &missing, &PeerPieces::Some(set([199, 64, 2, 63])), &[]), [2, 64, 199]);
        let first = PieceOrder { classes: vec![set([150, 151, 70])], is_sequential: true, is_stream: false };
        let mut expected = vec![70, 151];
        expected.extend(all.iter().filter(|piece| ![70, 151].contains(piece)));
        assert_eq!(opened(&first, &missing, &PeerPieces::All, &[151]), expected);
    }

    #[test]
    fn a_piece_that_comes_back_is_the_next_one_in_order() {
        let order = PieceOrder { classes: Vec::new(), is_sequential: true, is_stream: false };
        let mut random = fastrand::Rng::with_seed(3);
        let mut rarity = Rarity::new(geometry(), &set(0..PIECES), &mut random);
        (0..150).for_each(|number| rarity.take(geometry().piece(number).unwrap()));
        assert_eq!(rarity.first_word(), 2);
        rarity.put_back(geometry().piece(5).unwrap());
        let next = order.pick(geometry(), &PeerPieces::All, &rarity, &mut random);
        assert_eq!(next.map(PieceIndex::get), Some(5));
    }
}
