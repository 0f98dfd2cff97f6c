//! What the list tells of a title's media.

/// What the list tells of a title's media, once its file has been read.
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
