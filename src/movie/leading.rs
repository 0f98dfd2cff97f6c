//! The leading track of each kind: the one that plays unless a viewer chooses another.
//!
//! An enabled track leads before a disabled one (`tkhd`, ISO/IEC 14496-12 section 8.3.2): a disabled video
//! track is a preview or an alternative. Where no track of a kind is enabled, the flag means nothing.

use super::{Movie, SampleEntry, Track};

impl Movie {
    /// The place of the leading video track. Images and renditions are made of it.
    pub fn leading_video(&self) -> Option<usize> {
        self.leading(Track::is_video)
    }

    /// The place of the leading audio track.
    pub fn leading_audio(&self) -> Option<usize> {
        self.leading(Track::is_audio)
    }

    fn leading(&self, is_kind: fn(&Track) -> bool) -> Option<usize> {
        let tracks = self.tracks.iter().enumerate().filter(|(_, track)| is_kind(track));
        let ranked = tracks.map(|(place, track)| (rank(track.is_enabled, &track.entry), place));
        ranked.min().map(|(_, place)| place)
    }
}

/// The rank of a track among those of its kind; the lowest leads, and the first of several.
pub(super) fn rank(is_enabled: bool, entry: &SampleEntry) -> u8 {
    2 * u8::from(!is_enabled) + u8::from(entry.packageable().is_err())
}
