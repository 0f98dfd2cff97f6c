//! What is to be made.

use serde::{Deserialize, Serialize};

use super::{
    ladder::remux,
    pictures::{self, Size},
};
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
    /// The version by which things made of its file are named.
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
    /// The movie of a file that is none, or of a container that is not packaged: [`MOVIE`].
    Movie,
}

/// The file of the movie of a file that is none.
pub const MOVIE: &str = "movie.mp4";

/// How urgent what somebody waits for is.
const AWAITED: i64 = 100;

/// How often a picture is tried: what cannot be decoded once cannot be decoded.
const PICTURE_ATTEMPTS: u32 = 2;

/// How often a film is: it may take hours, in which a machine may be short of memory or disk.
const FILM_ATTEMPTS: u32 = 3;

impl Task {
    /// A task of a title.
    ///
    /// `version` is that of the title's own file and of the grid on which segments begin
    /// ([`title::version`](crate::package::title::version)): the one in the URLs of its segments, if
    /// the file is a movie itself.
    pub fn new(title: &MediaPath, version: Version, make: Make) -> Self {
        Self { title: title.encoded().to_string(), version: version.to_string(), make }
    }

    /// The version in the URLs of pictures of a title, by that of its tasks.
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
            Make::Movie => "movie",
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
            Make::Movie => format!("movie{}", remux::FORMAT_VERSION),
        };
        Key::new(format!("{}-{what}", self.version)).expect("digits, letters and hyphens")
    }

    /// What it takes to make it.
    pub fn class(&self) -> Class {
        match self.make {
            Make::Poster { .. }
            | Make::Thumbnail { .. }
            | Make::Sheet { .. }
            | Make::Overview
            | Make::Preview { .. } => Class::Picture,
            Make::Movie => Class::Remux,
        }
    }

    /// As a job of the queue. However many ask for it, it is made once.
    pub fn job(&self) -> NewJob {
        let title = MediaPath::decode(&self.title).map(|title| title.display());
        let class = self.class();
        NewJob {
            class,
            kind: self.kind().to_owned(),
            title: title.unwrap_or_else(|_| self.title.clone()),
            payload: serde_json::to_string(self).expect("numbers and texts"),
            priority: AWAITED,
            dedupe_key: Some(self.key().to_string()),
            max_attempts: if class == Class::Picture { PICTURE_ATTEMPTS } else { FILM_ATTEMPTS },
        }
    }
}
