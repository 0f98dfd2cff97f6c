//! Closed captions in the video (RFC 8216bis sections 4.4.6.1 and 4.4.6.2).

use super::tag::Tag;
use crate::package::presentation::{Track, Video};

/// The group of all captions.
const GROUP: &str = "captions";

/// What the playlist says about captions.
pub(super) enum ClosedCaptions {
    /// The channels and services that were found.
    Found(Vec<String>),
    /// The video carries caption data, but the beginning of it has no captions: later ones may come.
    Unknown,
    /// There are none.
    None,
}

impl ClosedCaptions {
    /// The captions of all video tracks together.
    pub(super) fn from_tracks(tracks: &[Track]) -> Self {
        let videos = || tracks.iter().filter_map(Track::video);
        let mut names: Vec<String> = Vec::new();
        for name in videos().flat_map(|video| video.captions.names()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        match names.is_empty() {
            false => Self::Found(names),
            true if videos().any(|video| video.captions.is_carried) => Self::Unknown,
            true => Self::None,
        }
    }

    /// Writes the members of the group. Nothing says in which languages they are, so that only the first may
    /// be selected automatically.
    pub(super) fn media(&self, text: &mut String) {
        let Self::Found(names) = self else { return };
        for (place, name) in names.iter().enumerate() {
            Tag::new(text, "EXT-X-MEDIA")
                .plain("TYPE", "CLOSED-CAPTIONS")
                .quoted("GROUP-ID", GROUP)
                .quoted("NAME", name)
                .yes_or_no("DEFAULT", false)
                .yes_or_no("AUTOSELECT", place == 0)
                .quoted("INSTREAM-ID", name)
                .end();
        }
    }

    /// Adds the attribute of a variant. `NONE` is for all variants or for no one, and a variant whose own
    /// video has no captions says nothing beside one that has.
    pub(super) fn attribute<'t>(&self, tag: Tag<'t>, video: Option<&Video>) -> Tag<'t> {
        let has_own = video.is_some_and(|video| video.captions.is_carried);
        match self {
            Self::Found(_) => tag.quoted_if("CLOSED-CAPTIONS", has_own.then_some(GROUP)),
            Self::Unknown => tag,
            Self::None => tag.plain("CLOSED-CAPTIONS", "NONE"),
        }
    }
}
