//! What lists show of a title's media.

use super::{
    MediaPath,
    media_type::{self, Kind},
};

/// What lists show of a title's media, once its file has been read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Facts {
    /// Whether the title has video.
    pub kind: TitleKind,
    /// The duration in milliseconds, if it is known without decoding or remuxing the file.
    pub duration_ms: Option<u64>,
    /// Width and height of the video as displayed, in square pixels.
    pub size: Option<(u32, u32)>,
    /// Whether the video has a high dynamic range; `None` if that is unknown.
    pub is_hdr: Option<bool>,
    /// Whether the file has what a poster shows: video, or cover art.
    pub has_poster: bool,
}

/// The kind of a title.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TitleKind {
    /// With video.
    Video,
    /// With audio only.
    Audio,
}

impl TitleKind {
    /// The kind that the name of a title promises, until its file has been read.
    pub fn from_name(title: &MediaPath) -> Self {
        match media_type::lookup(title.file_name()) {
            Some((_, Kind::Audio)) => Self::Audio,
            _ => Self::Video,
        }
    }

    /// Its name in the API and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
        }
    }

    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Video, Self::Audio].into_iter().find(|kind| kind.as_str() == name)
    }
}
