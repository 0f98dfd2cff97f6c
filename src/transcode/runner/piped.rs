//! Samples of a title's object that ffmpeg reads through a pipe, in place of a copy of the object.

use std::{ops::Range, sync::Arc};

use super::{Failure, Opened};
use crate::{
    extent::{File, Source},
    movie::Track,
    package::clip::{ClipRefused, Span},
    transcode::ffmpeg::Input,
};

/// Whether ffmpeg cannot read the file itself, since it is an object.
pub(super) fn is_needed(title: &Opened) -> bool {
    title.file.changeable().is_none()
}

/// The samples of a track that are presented in a range of time, in ticks; `None` if they cannot be piped. Blocks
/// on the disk, or on the bucket.
pub(super) fn read_span(
    track: &Track,
    range: Range<i64>,
    file: &File,
) -> Result<Option<Span>, Failure> {
    match Span::new(track, range, &file.blocking_reader()) {
        Ok(span) => Ok(span),
        Err(ClipRefused::Read(error)) => Err(error.into()),
        // Too many samples, or none: as a file.
        Err(ClipRefused::TooLong | ClipRefused::Empty { .. }) => Ok(None),
    }
}

/// The samples as the standard input of ffmpeg.
pub(super) fn input(span: &Span, title: &Opened) -> Result<Input, Failure> {
    let source: Arc<dyn Source> = Arc::clone(&title.file) as _;
    Ok(Input::Extents(span.extents(&source).map_err(Failure::permanent)?))
}
