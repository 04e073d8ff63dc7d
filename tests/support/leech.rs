//! A peer that downloads from us: what it asks for, and what it must get.

use std::io;

use femtotorrent::piece::BLOCK_LENGTH;
use femtotorrent::wire::{BlockRequest, Message};

use super::sample::Sample;
use super::talk::{Said, Talk};

/// Every block of the sample, in order.
pub fn blocks(sample: &Sample) -> Vec<BlockRequest> {
    let pieces = (0..).zip(sample.payload.chunks(sample.piece_length as usize));
    pieces.flat_map(|(index, piece)| blocks_of(index, piece.len() as u32)).collect()
}

fn blocks_of(index: u32, piece_length: u32) -> impl Iterator<Item = BlockRequest> {
    let begins = (0..piece_length).step_by(BLOCK_LENGTH as usize);
    begins.map(move |begin| BlockRequest { index, begin, length: BLOCK_LENGTH.min(piece_length - begin) })
}

/// The first block of a piece, which is a full one.
pub fn first_block_of(index: u32) -> BlockRequest {
    BlockRequest { index, begin: 0, length: BLOCK_LENGTH }
}

/// Says that it is interested, and waits until it is unchoked.
pub fn wait_for_unchoke(talk: &mut Talk) -> io::Result<()> {
    talk.say(Message::Interested)?;
    talk.wait_for(&Said::Unchoke)
}

/// Asks for all these blocks at once.
pub fn ask(talk: &mut Talk, wanted: &[BlockRequest]) -> io::Result<()> {
    let mut bytes = Vec::new();
    wanted.iter().for_each(|wanted| Message::Request(*wanted).write_to(&mut bytes));
    talk.say_bytes(&bytes)
}

/// Downloads the whole sample and looks at every byte of it.
pub fn leech(talk: &mut Talk) -> io::Result<()> {
    wait_for_unchoke(talk)?;
    for some in blocks(&talk.sample).chunks(16) {
        ask(talk, some)?;
        for wanted in some {
            assert_served(talk, *wanted)?;
        }
    }
    Ok(())
}

/// Waits for the next block, which must be this one, with the right bytes.
pub fn assert_served(talk: &mut Talk, wanted: BlockRequest) -> io::Result<()> {
    loop {
        match talk.next()? {
            Said::Piece(sent, data) => {
                assert_eq!(sent, wanted);
                let expected = talk.sample.block(wanted.index, wanted.begin, wanted.length);
                assert!(data == expected, "{wanted:?}");
                return Ok(());
            }
            Said::Reject(rejected) => panic!("{rejected:?} was rejected"),
            _ => {}
        }
    }
}

/// Asks for a block over the Fast extension (BEP 6): whether it was served, or rejected.
pub fn is_served(talk: &mut Talk, wanted: BlockRequest) -> io::Result<bool> {
    ask(talk, &[wanted])?;
    loop {
        match talk.next()? {
            Said::Piece(sent, _) if sent == wanted => return Ok(true),
            Said::Reject(rejected) if rejected == wanted => return Ok(false),
            other @ (Said::Piece(..) | Said::Reject(_)) => panic!("{other:?} instead of {wanted:?}"),
            _ => {}
        }
    }
}
