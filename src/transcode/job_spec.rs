//! What is to be made.

use serde::{Deserialize, Serialize};

use super::{
    images::{self, Size},
    ladder::{audio, remux, spec::RenditionSpec},
};
use crate::{
    extent::disk::Version,
    library::MediaPath,
    movie::Movie,
    package::storyboard::ImageFormat,
    queue::{Class, JobSubmission},
    store::artifacts::Key,
};

/// Something that is to be made of a title, in one state of its file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JobSpec {
    /// The title's path, percent-encoded.
    pub title: String,
    /// The version by which things made of its file are named.
    pub version: String,
    /// What is to be made of it.
    pub operation: Operation,
}

/// What can be made.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// A picture, or several.
    Image(ImageSpec),
    /// All sheets of its storyboard.
    Storyboard,
    /// Its pictures in another size or codec: `rendition.mp4`.
    Rendition {
        /// Which.
        rendition: RenditionSpec,
    },
    /// A piece of a rendition, from 1: `piece.mp4`.
    Chunk {
        /// Of which.
        rendition: RenditionSpec,
        /// Which piece.
        number: u32,
    },
    /// AAC of a sound that browsers do not play: `sound.mp4`.
    Audio {
        /// Of which track, by its identifier.
        track: u32,
    },
    /// The movie of a file that is none: `movie.mp4`.
    Remux,
}

/// Pictures that can be made.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSpec {
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
        coding: ImageFormat,
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

impl Operation {
    /// AAC of all sounds of a movie that browsers do not play.
    pub fn sounds(movie: &Movie) -> impl Iterator<Item = Self> {
        audio::encodable(movie).map(|track| Self::Audio { track: track.id })
    }
}

impl JobSpec {
    /// A task of a title.
    ///
    /// `version` is that of the title's own file and of the grid on which segments begin
    /// ([`title::version`](crate::package::title::version)): the one in the URLs of its segments, if
    /// that file is a movie itself.
    pub fn new(title: &MediaPath, version: Version, operation: Operation) -> Self {
        Self { title: title.encoded().to_string(), version: version.to_string(), operation }
    }

    /// The version in the URLs of pictures of a title, by that of its tasks.
    pub fn version_of_pictures(version: Version) -> Version {
        version.with(images::FORMAT_VERSION)
    }

    /// What sort of thing it makes, in a word.
    pub fn kind(&self) -> &'static str {
        match &self.operation {
            Operation::Image(picture) => picture.kind(),
            Operation::Storyboard => "storyboard",
            Operation::Rendition { .. } => "rendition",
            Operation::Chunk { .. } => "chunk",
            Operation::Audio { .. } => "audio",
            Operation::Remux => "remux",
        }
    }

    /// Names what comes of it.
    pub fn key(&self) -> Key {
        let what = match &self.operation {
            Operation::Image(picture) => picture.name(),
            Operation::Storyboard => format!("storyboard{}", images::FORMAT_VERSION),
            Operation::Rendition { rendition } => parameters(rendition),
            Operation::Chunk { rendition, number } => {
                format!("chunk-{}-{number}", parameters(rendition))
            }
            Operation::Audio { track } => format!("aac-{track}"),
            Operation::Remux => format!("movie{}", remux::FORMAT_VERSION),
        };
        Key::new(format!("{}-{what}", self.version)).expect("digits, letters and hyphens")
    }

    /// The beginning of the keys of what is of no use any more once this is made.
    pub fn intermediates(&self) -> Option<String> {
        match &self.operation {
            Operation::Rendition { rendition } => {
                Some(format!("{}-chunk-{}-", self.version, parameters(rendition)))
            }
            _ => None,
        }
    }

    /// The task that makes what this one is made of, if the title's own file is no movie.
    #[must_use]
    pub fn movie(&self) -> Self {
        Self { operation: Operation::Remux, ..self.clone() }
    }

    /// What it takes to make it.
    pub fn class(&self) -> Class {
        match self.operation {
            Operation::Rendition { .. } | Operation::Chunk { .. } => Class::Encode,
            Operation::Storyboard | Operation::Image(_) => Class::Image,
            // A sound takes no longer than a film that is copied.
            Operation::Audio { .. } | Operation::Remux => Class::Remux,
        }
    }

    /// As a job of the queue. However many ask for it, it is made once.
    pub fn job(&self) -> JobSubmission {
        let title = MediaPath::decode(&self.title).map(|title| title.display());
        let (priority, max_attempts) = match self.operation {
            Operation::Rendition { .. } | Operation::Chunk { .. } => (WISHED, FILM_ATTEMPTS),
            Operation::Storyboard => (WISHED, PICTURE_ATTEMPTS),
            Operation::Image(_) => (AWAITED, PICTURE_ATTEMPTS),
            Operation::Audio { .. } | Operation::Remux => (AWAITED, FILM_ATTEMPTS),
        };
        JobSubmission {
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

/// All parameters that decide the bytes of a rendition, for the keys of the rendition and its chunks:
/// `h264-720p-quick-1280x720-22-2800000`.
fn parameters(rendition: &RenditionSpec) -> String {
    let RenditionSpec { effort, width, height, quality, bit_rate_max, .. } = rendition;
    format!("{rendition}-{}-{width}x{height}-{quality}-{bit_rate_max}", effort.as_str())
}

impl ImageSpec {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcode::ladder::spec::{Effort, VideoCodec};

    #[test]
    fn keys_differ_by_every_parameter_that_decides_the_bytes() {
        let rendition = RenditionSpec {
            coding: VideoCodec::H264,
            effort: Effort::Quick,
            lines: 720,
            width: 1280,
            height: 720,
            quality: 22,
            bit_rate_max: 2_800_000,
            buffer_bits: 5_600_000,
        };
        let renditions = [
            rendition,
            RenditionSpec { coding: VideoCodec::Hevc, ..rendition },
            RenditionSpec { effort: Effort::Thorough, ..rendition },
            RenditionSpec { lines: 480, ..rendition },
            RenditionSpec { width: 960, ..rendition },
            RenditionSpec { height: 540, ..rendition },
            RenditionSpec { quality: 23, ..rendition },
            RenditionSpec { bit_rate_max: 2_700_000, ..rendition },
        ];
        let spec = |operation| JobSpec { title: "a.mp4".into(), version: "v".into(), operation };
        let mut keys: Vec<String> = Vec::new();
        for rendition in renditions {
            let whole = spec(Operation::Rendition { rendition });
            let chunk = spec(Operation::Chunk { rendition, number: 1 });
            let intermediates = whole.intermediates().expect("chunks");
            assert!(chunk.key().as_str().starts_with(&intermediates));
            assert!(keys.iter().all(|key| !key.starts_with(&intermediates)));
            keys.extend([whole.key().to_string(), chunk.key().to_string()]);
        }
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
