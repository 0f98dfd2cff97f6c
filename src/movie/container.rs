//! The container of a movie: what only inspection, and those that rewrite a file of one kind, need of it.

use super::{FourCc, Movie, Track, matroska::Attachment, mp4::Header};

/// A container, with what is peculiar to it.
#[derive(Clone, Debug)]
pub enum Container {
    /// MP4 or QuickTime, fragmented or not.
    Mp4(Mp4),
    /// Matroska or WebM.
    Matroska(Matroska),
}

/// A file of boxes.
#[derive(Clone, Debug)]
pub struct Mp4 {
    /// Major brand of the file (ISO/IEC 14496-12 section 4.3).
    pub brand: Option<FourCc>,
    /// The file gives the movie no timescale, so that it is a guess.
    pub timescale_is_missing: bool,
    /// The `moov` box.
    pub moov: Header,
    /// Offset of the first `mdat`.
    pub mdat: Option<u64>,
    /// Number of fragments.
    pub fragments: usize,
}

/// A file of Matroska or WebM (RFC 9559).
#[derive(Clone, Debug, Default)]
pub struct Matroska {
    /// Numbers of all audio tracks in file order, playable or not: ffmpeg counts them so.
    pub audio_numbers: Vec<u32>,
    /// Files in the file: covers, fonts.
    pub attachments: Vec<Attachment>,
}

impl Movie {
    /// What is peculiar to MP4; `None` for a movie in another container.
    pub fn mp4(&self) -> Option<&Mp4> {
        match &self.container {
            Container::Mp4(mp4) => Some(mp4),
            Container::Matroska(_) => None,
        }
    }

    /// Which of the audio tracks of the file one of these is, from 0, if it is known by no identifier.
    pub fn audio_place(&self, track: &Track) -> Option<usize> {
        match &self.container {
            Container::Mp4(_) => None,
            Container::Matroska(matroska) => {
                matroska.audio_numbers.iter().position(|number| *number == track.id)
            }
        }
    }

    /// Whether a single MP4 of the movie needs tables of its own: it has fragments, or its tables say what is
    /// corrected here. An encrypted track cannot get new ones.
    pub fn needs_new_tables(&self) -> bool {
        let Some(mp4) = self.mp4() else { return true };
        let is_clear = self.tracks.iter().all(|track| track.entry.encryption.is_none());
        let are_wrong = mp4.timescale_is_missing
            || self.tracks.iter().any(|track| track.index.corrections.change_tables());
        mp4.fragments > 0 || is_clear && are_wrong
    }
}
