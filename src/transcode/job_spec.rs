//! What is to be made.

use serde::{Deserialize, Serialize};

use super::{
    images::{self, Size},
    ladder::{audio, remux, spec::Rung},
};
use crate::{
    extent::disk::Version,
    library::MediaPath,
    movie::Movie,
    package::storyboard::Coding,
    queue::{Class, NewJob},
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
    /// A picture, or several.
    Picture(Picture),
    /// All sheets of its storyboard.
    Storyboard,
    /// Its pictures in another size or codec: `rendition.mp4`.
    Rendition {
        /// Which.
        rung: Rung,
    },
    /// A piece of a rendition, from 1: `piece.mp4`.
    Piece {
        /// Of which.
        rung: Rung,
        /// Which piece.
        number: u32,
    },
    /// AAC of a sound that browsers do not play: `sound.mp4`.
    Sound {
        /// Of which track, by its identifier.
        track: u32,
    },
    /// The movie of a file that is none: `movie.mp4`.
    Movie,
}

/// Pictures that can be made.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Picture {
    /// The one that stands for it: `poster.jpg`.
    Poster {
        /// How large.
        size: Size,
    },
    /// One of it: `thumbnail.jpg`, or `.webp`.
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

/// How urgent what somebody waits for is, and what somebody wishes for.
const AWAITED: i64 = 100;
const WISHED: i64 = 10;

/// How often a picture is tried: what cannot be decoded once cannot be decoded.
const PICTURE_ATTEMPTS: u32 = 2;

/// How often a film, or a piece of one, is tried.
const FILM_ATTEMPTS: u32 = 3;

impl Make {
    /// AAC of all sounds of a movie that browsers do not play.
    pub fn sounds(movie: &Movie) -> impl Iterator<Item = Self> {
        audio::encodable(movie).map(|track| Self::Sound { track: track.id })
    }
}

impl Task {
    /// A task of a title.
    ///
    /// `version` is that of the title's own file and of the grid on which segments begin
    /// ([`title::version`](crate::package::title::version)): the one in the URLs of its segments, if
    /// that file is a movie itself.
    pub fn new(title: &MediaPath, version: Version, make: Make) -> Self {
        Self { title: title.encoded().to_string(), version: version.to_string(), make }
    }

    /// The version in the URLs of pictures of a title, by that of its tasks.
    pub fn version_of_pictures(version: Version) -> Version {
        version.with(images::FORMAT_VERSION)
    }

    /// What sort of thing it makes, in a word.
    pub fn kind(&self) -> &'static str {
        match &self.make {
            Make::Picture(picture) => picture.kind(),
            Make::Storyboard => "storyboard",
            Make::Rendition { .. } => "rendition",
            Make::Piece { .. } => "piece",
            Make::Sound { .. } => "sound",
            Make::Movie => "movie",
        }
    }

    /// Names what comes of it.
    pub fn key(&self) -> Key {
        let what = match &self.make {
            Make::Picture(picture) => picture.name(),
            Make::Storyboard => format!("storyboard{}", images::FORMAT_VERSION),
            Make::Rendition { rung } => rung.to_string(),
            // All of a rung: what is made of pieces has to be of one kind.
            Make::Piece { rung, number } => {
                let Rung { effort, width, height, quality, bit_rate_max, .. } = rung;
                let effort = effort.as_str();
                format!("piece-{rung}-{effort}-{width}x{height}-{quality}-{bit_rate_max}-{number}")
            }
            Make::Sound { track } => format!("aac-{track}"),
            Make::Movie => format!("movie{}", remux::FORMAT_VERSION),
        };
        Key::new(format!("{}-{what}", self.version)).expect("digits, letters and hyphens")
    }

    /// The beginning of the keys of what is of no use any more once this is made.
    pub fn scaffolding(&self) -> Option<String> {
        match &self.make {
            Make::Rendition { rung } => Some(format!("{}-piece-{rung}-", self.version)),
            _ => None,
        }
    }

    /// The task that makes what this one is made of, if the title's own file is no movie.
    #[must_use]
    pub fn movie(&self) -> Self {
        Self { make: Make::Movie, ..self.clone() }
    }

    /// What it takes to make it.
    pub fn class(&self) -> Class {
        match self.make {
            Make::Rendition { .. } | Make::Piece { .. } => Class::Encode,
            Make::Storyboard | Make::Picture(_) => Class::Picture,
            // A sound takes no longer than a film that is copied.
            Make::Sound { .. } | Make::Movie => Class::Remux,
        }
    }

    /// As a job of the queue. However many ask for it, it is made once.
    pub fn job(&self) -> NewJob {
        let title = MediaPath::decode(&self.title).map(|title| title.display());
        let (priority, max_attempts) = match self.make {
            Make::Rendition { .. } | Make::Piece { .. } => (WISHED, FILM_ATTEMPTS),
            Make::Storyboard => (WISHED, PICTURE_ATTEMPTS),
            Make::Picture(_) => (AWAITED, PICTURE_ATTEMPTS),
            Make::Sound { .. } | Make::Movie => (AWAITED, FILM_ATTEMPTS),
        };
        NewJob {
            class: self.class(),
            kind: self.kind().to_owned(),
            title: title.unwrap_or_else(|_| self.title.clone()),
            payload: serde_json::to_string(self).expect("numbers and texts"),
            priority,
            dedupe_key: Some(self.key().to_string()),
            max_attempts,
        }
    }
}

impl Picture {
    fn kind(&self) -> &'static str {
        match self {
            Self::Poster { .. } => "poster",
            Self::Thumbnail { .. } => "thumbnail",
            Self::Sheet { .. } | Self::Overview => "storyboard",
            Self::Preview { .. } => "preview",
        }
    }

    /// Tells it from all others of the same title.
    fn name(&self) -> String {
        let format = images::FORMAT_VERSION;
        match self {
            Self::Poster { size } => format!("poster{format}-{size}"),
            Self::Thumbnail { time_ms, exact, size, coding } => {
                let near = if *exact { "at" } else { "near" };
                format!("thumbnail{format}-{near}-{time_ms}-{size}-{}", coding.ending())
            }
            Self::Sheet { number } => format!("sheet{format}-{number}"),
            Self::Overview => format!("overview{format}"),
            Self::Preview { size } => format!("preview{format}-{size}"),
        }
    }
}
