//! Text tracks whose samples are parts of a subtitle file, and scattered between other samples.

use std::{fmt::Debug, sync::Arc};

use bytes::Bytes;

use super::{Track, walk::Samples};
use crate::extent::{ReadAt, ReadError};

/// Reads the text of tracks.
pub trait TextReader: Debug + Send + Sync {
    /// All blocks of a text track, by its place among those of the reader, in order of time.
    ///
    /// # Errors
    /// If the source cannot be read.
    fn read(&self, source: &dyn ReadAt, place: usize) -> Result<Vec<TextBlock>, ReadError>;
}

/// A text with its time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TextBlock {
    /// When it is shown.
    pub start_ms: u64,
    /// When it is no longer shown.
    pub end_ms: u64,
    /// The text, in the format of its track.
    pub text: Vec<u8>,
}

/// The format of blocks: that of the files which they are part of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BlockFormat {
    /// SubRip: the text of a cue.
    SubRip,
    /// SubStation Alpha: a number, and the fields of a `Dialogue` line without its times.
    Ass,
    /// WebVTT: the text of a cue.
    WebVtt,
}

/// The text of a track.
#[derive(Clone, Debug)]
pub struct TextBlocks {
    /// The format of the blocks.
    pub format: BlockFormat,
    /// What its file has in front of them: styles, and the names of fields.
    pub header: Bytes,
    /// Whether they are so few that reading them costs little: they may be empty.
    pub are_few: bool,
    /// Reads them.
    pub reader: Arc<dyn TextReader>,
    /// The place of the track among those of the reader.
    pub place: usize,
}

impl TextBlocks {
    /// Reads all blocks.
    ///
    /// # Errors
    /// If the source cannot be read.
    pub fn read<R: ReadAt + ?Sized>(&self, source: &R) -> Result<Vec<TextBlock>, ReadError> {
        self.reader.read(&super::walk::Borrowed(source), self.place)
    }
}

impl Track {
    /// Its text in blocks; `None` if it has samples.
    pub fn text_blocks(&self) -> Option<&TextBlocks> {
        match &self.samples {
            Samples::Text(blocks) => Some(blocks),
            Samples::Boxes(_) | Samples::Segments(_) => None,
        }
    }
}
