//! What is to be made.

use serde::{Deserialize, Serialize};

use super::pictures::{self, Size};
use crate::{
    extent::disk::Version,
    jobs::queue::{Class, NewJob},
    library::MediaPath,
    package::storyboard::Coding,
    store::artifacts::Key,
};

/// Something that is to be made of a title, in one state of its file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Task {
    /// The title's path, percent-encoded.
    pub title: String,
    /// The version in the URLs of its segments.
    pub version: String,
    /// What is to be made of it.
    pub make: Make,
}

/// What can be made.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Make {
    /// The picture that stands for it: `poster.jpg`.
    Poster {
        /// How large.
        size: Size,
    },
    /// One picture of it: `thumbnail.jpg`, or `.webp`.
    Thumbnail {
        /// When it is shown.
        time_ms: u64,
        /// Whether that very picture is wanted, and not the key frame nearest to it.
        exact: bool,
        /// How large.
        size: Size,
        /// How it is coded.
        coding: Coding,
    },
    /// One sheet of its storyboard, from 1: `sheet.jpg`, `sheet.webp`, and its tiles.
    Sheet {
        /// Which.
        number: u32,
    },
    /// All of it on one sheet: `sheet.jpg`, `sheet.webp`.
    Overview,
    /// All of it in some seconds: `preview.webp`.
    Preview {
        /// How large.
        size: Size,
    },
}

/// How urgent what somebody waits for is.
const AWAITED: i64 = 100;

/// How often a picture is tried: what cannot be decoded once cannot be decoded.
const PICTURE_ATTEMPTS: u32 = 2;

impl Task {
    /// A task of a title.
    ///
    /// `version` is the one in the URLs of its segments.
    pub fn new(title: &MediaPath, version: Version, make: Make) -> Self {
        Self { title: title.encoded().to_string(), version: version.to_string(), make }
    }

    /// The version in the URLs of pictures of a title, by that in the URLs of its segments.
    pub fn version_of_pictures(version: Version) -> Version {
        version.with(pictures::FORMAT_VERSION)
    }

    /// What sort of thing it makes, in a word.
    pub fn kind(&self) -> &'static str {
        match self.make {
            Make::Poster { .. } => "poster",
            Make::Thumbnail { .. } => "thumbnail",
            Make::Sheet { .. } | Make::Overview => "storyboard",
            Make::Preview { .. } => "preview",
        }
    }

    /// Names what comes of it.
    pub fn key(&self) -> Key {
        let format = pictures::FORMAT_VERSION;
        let what = match &self.make {
            Make::Poster { size } => format!("poster{format}-{size}"),
            Make::Thumbnail { time_ms, exact, size, coding } => {
                let near = if *exact { "at" } else { "near" };
                format!("thumbnail{format}-{near}-{time_ms}-{size}-{}", coding.ending())
            }
            Make::Sheet { number } => format!("sheet{format}-{number}"),
            Make::Overview => format!("overview{format}"),
            Make::Preview { size } => format!("preview{format}-{size}"),
        };
        Key::new(format!("{}-{what}", self.version)).expect("digits, letters and hyphens")
    }

    /// As a job of the queue. However many ask for it, it is made once.
    pub fn job(&self) -> NewJob {
        let title = MediaPath::decode(&self.title).map(|title| title.display());
        NewJob {
            class: Class::Picture,
            kind: self.kind().to_owned(),
            title: title.unwrap_or_else(|_| self.title.clone()),
            payload: serde_json::to_string(self).expect("numbers and texts"),
            priority: AWAITED,
            dedupe_key: Some(self.key().to_string()),
            max_attempts: PICTURE_ATTEMPTS,
        }
    }
}
