//! Sends blocks: straight from the page cache where the stream and the system can.

use super::{Outbox, OutboxError};
use crate::net::PeerStream;
use crate::piece::PieceIndex;
use crate::storage::BlockPart;
use crate::wire::{BlockRequest, Message};
use std::io::{self, ErrorKind};
use std::time::Instant;

/// How the reading of blocks stands.
#[derive(Default)]
pub struct BlockSource {
    /// The piece that the peer requested last, and whether the disk was told to read it ahead.
    last_piece: Option<(PieceIndex, bool)>,
    /// Where the next block is. Kept for its memory.
    parts: Vec<BlockPart>,
}

impl BlockSource {
    /// Whether this request is the moment to have the disk read the rest of its piece: a peer that asks twice
    /// in a row for parts of a piece will ask for the rest.
    fn should_read_ahead(&mut self, piece: PieceIndex) -> bool {
        let read_ahead = match self.last_piece {
            Some((last, read_ahead)) if last == piece => Some(read_ahead),
            _ => None,
        };
        self.last_piece = Some((piece, read_ahead.is_some()));
        read_ahead == Some(false)
    }
}

impl Outbox {
    /// Sends a block, behind the frames that wait.
    pub(super) fn send_block(
        &mut self,
        stream: &PeerStream,
        piece: PieceIndex,
        request: BlockRequest,
        frames: &mut Vec<u8>,
    ) -> Result<(), OutboxError> {
        let BlockRequest { index, begin, length } = request;
        let parts = &mut self.blocks.parts;
        let served_pieces = self.context.served_pieces.as_ref();
        let found = served_pieces.filter(|served_pieces| served_pieces.find(piece, begin, length, parts));
        let Some(served_pieces) = found else {
            self.limit.refund(length);
            if !self.requests.reject(request) {
                return Err(OutboxError::CannotSend);
            }
            self.write_rejects(frames);
            self.take_back(piece, Instant::now(), frames);
            return stream.write_all(frames).map_err(OutboxError::Stream);
        };
        if self.blocks.should_read_ahead(piece) {
            served_pieces.read_ahead(piece, begin);
        }
        self.explain("piece", 1, || {
            "it requested it, and we do not choke it or allow it this piece".to_owned()
        });
        Message::piece_head(index, begin, length, frames);
        stream.write_more(frames).map_err(OutboxError::Stream)?;
        for part in self.blocks.parts.drain(..) {
            let sent = match part {
                BlockPart::File(file, offset, length) => stream.send_file(&file, offset, length),
                BlockPart::Bytes(bytes) => stream.write_on(&bytes),
                BlockPart::Zeros(length) => stream.write_zeros(length),
            };
            match sent {
                Ok(()) => {}
                Err(error) if is_of_the_stream(&error) => return Err(OutboxError::Stream(error)),
                Err(error) => {
                    served_pieces.unreadable(piece, &error);
                    return Err(OutboxError::Disk);
                }
            }
        }
        self.requests.sent(length);
        Ok(())
    }
}

/// Sending from a file may fail at either end.
fn is_of_the_stream(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::NotConnected
            | ErrorKind::TimedOut
            | ErrorKind::WouldBlock
            | ErrorKind::WriteZero
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::Geometry;

    #[test]
    fn the_second_request_in_a_row_for_a_piece_has_it_read_ahead_once() {
        let geometry = Geometry::new(100, 50).unwrap();
        let (one, other) = (geometry.piece(0).unwrap(), geometry.piece(1).unwrap());
        let mut source = BlockSource::default();
        let answers = [one, one, one, other, one, one].map(|piece| source.should_read_ahead(piece));
        assert_eq!(answers, [false, true, false, false, false, true]);
    }
}
