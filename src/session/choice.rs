//! Which files of a torrent are downloaded, and in which order, now that its list of files is known.

use super::{Aim, Job, SessionError};
use crate::metainfo::{File, Metainfo};
use crate::piece::{Bitfield, Geometry};
use crate::storage::Selection;
use crate::strategy::PieceOrder;

/// The files to download, if these are not all files.
pub(super) fn selection(
    job: &Job,
    metainfo: &Metainfo,
    geometry: Geometry,
) -> Result<Option<Selection>, SessionError> {
    let files = &metainfo.files;
    if matches!(job.aim, Aim::Share) {
        return Ok(None);
    }
    let Some(selected) = job.choice.selected(files, &job.selected).map_err(SessionError::Choice)? else {
        return Ok(None);
    };
    let selection = Selection::of(selected, files, geometry);
    let selection = selection.ok_or(SessionError::NothingSelected { files: files.len() })?;
    Ok(Some(selection).filter(|selection| !selection.is_all(files)))
}

/// The order in which the pieces are fetched.
pub(super) fn order(job: &Job, files: &[File], geometry: Geometry) -> Result<PieceOrder, SessionError> {
    let (is_sequential, is_stream) =
        (job.choice.is_sequential, matches!(job.aim, Aim::Stream(_) | Aim::Try(_)));
    let mut order = PieceOrder { classes: Vec::new(), is_sequential, is_stream };
    for numbers in job.choice.first(files).map_err(SessionError::Choice)? {
        let mut class = Bitfield::none(geometry.piece_count());
        for file in numbers.iter().filter_map(|number| files.get(*number)).filter(|file| file.length > 0) {
            let number = |at: u64| u32::try_from(at / u64::from(geometry.piece_length())).unwrap_or(u32::MAX);
            let last = file.offset.saturating_add(file.length).saturating_sub(1);
            (number(file.offset)..=number(last)).map_while(|piece| geometry.piece(piece)).for_each(|piece| {
                class.insert(piece);
            });
        }
        order.classes.push(class);
    }
    Ok(order)
}
