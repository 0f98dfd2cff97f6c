//! Job specs: the operation of a job, and the key of its artifact.

use serde::{Deserialize, Serialize};

use super::{
    images::{self, Size},
    index,
    renditions::{audio, remux, spec::RenditionSpec},
};
use crate::{
    extent::disk::Version,
    library::MediaPath,
    movie::Movie,
    package::storyboard::ImageFormat,
    queue::{Class, JobSubmission},
    store::artifacts::Key,
};

/// An operation on one version of a title.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JobSpec {
    /// The path of the title, percent-encoded.
    pub title: String,
    /// The version of the title in the keys of its artifacts.
    pub version: String,
    /// The operation.
    pub operation: Operation,
}

/// The operation of a job.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Renders an image, or several.
    Image(ImageSpec),
    /// Renders all sheets of the storyboard.
    Storyboard,
    /// Encodes the video in another size or codec: `rendition.mp4`.
    Rendition {
        /// The rendition.
        rendition: RenditionSpec,
    },
    /// Encodes one chunk of a rendition: `chunk.mp4`.
    Chunk {
        /// The rendition.
        rendition: RenditionSpec,
        /// The number of the chunk, from 1.
        number: u32,
    },
    /// Encodes an audio track that browsers do not play as AAC: `audio.mp4`.
    Audio {
        /// The id of the track.
        track: u32,
    },
    /// Remuxes a file that is no MP4: `movie.mp4`.
    Remux,
    /// Writes the index of an MP4 around a part of a file whose container has no sample tables: `index.mp4`.
    Index {
        /// The offset of the first byte of this part.
        start: u64,
        /// The offset of the byte after its last.
        end: u64,
    },
    /// Renders the poster of a file that is no MP4, before it is remuxed: `poster.jpg`.
    SourcePoster {
        /// Its width in pixels; less if the video is narrower.
        width: u32,
    },
}

/// An image to render.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSpec {
    /// The poster: `poster.jpg`.
    Poster {
        /// Its size.
        size: Size,
    },
    /// A thumbnail: `thumbnail.jpg` or `thumbnail.webp`.
    Thumbnail {
        /// When its frame is presented.
        time_ms: u64,
        /// Whether to show exactly that frame, and not the key frame at or before it.
        exact: bool,
        /// Its size.
        size: Size,
        /// Its format.
        format: ImageFormat,
    },
    /// One sheet of the storyboard, and its tiles: `sheet.jpg`, `sheet.webp`.
    Sheet {
        /// The number of the sheet, from 1.
        number: u32,
    },
    /// The whole title on one sheet: `sheet.jpg`, `sheet.webp`.
    Overview,
    /// An animation of the whole title in some seconds: `preview.webp`.
    Preview {
        /// Its size.
        size: Size,
    },
}

/// The priority of a job that a client waits for.
const INTERACTIVE_PRIORITY: i64 = 100;

/// The priority of an image of a time and a size that a client chooses: after the posters and storyboards,
/// which the pages of all clients show.
const THUMBNAIL_PRIORITY: i64 = 55;

/// The priority of a rendition that a viewer waits for.
const VIEWED_PRIORITY: i64 = 55;

/// The priority of a job that a client requested for later.
const REQUESTED_PRIORITY: i64 = 10;

/// The attempts at an image: decoding is deterministic, so more are useless.
const IMAGE_ATTEMPTS: u32 = 2;

/// The attempts at encoding or remuxing a title or a chunk.
const ENCODE_ATTEMPTS: u32 = 3;

impl Operation {
    /// The operations that encode all audio tracks of a movie that browsers do not play.
    pub fn audio_encodings(movie: &Movie) -> impl Iterator<Item = Self> {
        audio::encodable(movie).map(|track| Self::Audio { track: track.id })
    }
}

impl JobSpec {
    /// An operation on a title.
    ///
    /// `version` depends on the title's source file and on the segment grid
    /// ([`title::version`](crate::package::title::version)). It is the version in the URLs of the
    /// segments, if the source file itself is a movie.
    pub fn new(title: &MediaPath, version: Version, operation: Operation) -> Self {
        Self { title: title.encoded().to_string(), version: version.to_string(), operation }
    }

    /// The version in the URLs of a title's images.
    pub fn image_version(version: Version) -> Version {
        version.with(images::FORMAT_VERSION)
    }

    /// The kind of the job, in the API's vocabulary.
    pub fn kind(&self) -> &'static str {
        match &self.operation {
            Operation::Image(image) => image.kind(),
            Operation::Storyboard => "storyboard",
            Operation::Rendition { .. } => "rendition",
            Operation::Chunk { .. } => "chunk",
            Operation::Audio { .. } => "audio",
            Operation::Remux => "remux",
            Operation::Index { .. } => "index",
            Operation::SourcePoster { .. } => "poster",
        }
    }

    /// The key of the artifact.
    pub fn key(&self) -> Key {
        let suffix = match &self.operation {
            Operation::Image(image) => image.key_suffix(),
            Operation::Storyboard => format!("storyboard{}", images::FORMAT_VERSION),
            Operation::Rendition { rendition } => parameters(rendition),
            Operation::Chunk { rendition, number } => {
                format!("chunk-{}-{number}", parameters(rendition))
            }
            Operation::Audio { track } => format!("aac-{track}"),
            Operation::Remux => format!("remux{}", remux::FORMAT_VERSION),
            Operation::Index { start, end } => {
                format!("index{}-{start}-{end}", index::FORMAT_VERSION)
            }
            Operation::SourcePoster { width } => {
                format!("source-poster{}-{width}", images::FORMAT_VERSION)
            }
        };
        Key::new(format!("{}-{suffix}", self.version)).expect("digits, letters and hyphens")
    }

    /// The prefix of the keys of intermediate artifacts, which are useless once this one exists.
    pub fn intermediates(&self) -> Option<String> {
        match &self.operation {
            Operation::Rendition { rendition } => {
                Some(format!("{}-chunk-{}-", self.version, parameters(rendition)))
            }
            _ => None,
        }
    }

    /// The job that makes the movie which this job reads, if the title's source file is none.
    #[must_use]
    pub fn remux(&self) -> Self {
        Self { operation: Operation::Remux, ..self.clone() }
    }

    /// The class of the job, by the resources that it needs.
    pub fn class(&self) -> Class {
        match self.operation {
            Operation::Rendition { .. } | Operation::Chunk { .. } => Class::Encode,
            Operation::Image(ImageSpec::Thumbnail { .. }) => Class::Thumbnail,
            Operation::Storyboard | Operation::Image(_) | Operation::SourcePoster { .. } => {
                Class::Image
            }
            // Encoding audio takes no longer than copying a title.
            Operation::Audio { .. } | Operation::Remux | Operation::Index { .. } => Class::Remux,
        }
    }

    /// The job as a submission to the queue. The queue keeps one job per key.
    pub fn submission(&self) -> JobSubmission {
        let title = MediaPath::decode(&self.title).map(|title| title.display());
        let (priority, max_attempts) = match self.operation {
            Operation::Rendition { .. } | Operation::Chunk { .. } => {
                (REQUESTED_PRIORITY, ENCODE_ATTEMPTS)
            }
            Operation::Storyboard => (REQUESTED_PRIORITY, IMAGE_ATTEMPTS),
            Operation::Image(ImageSpec::Thumbnail { .. }) => (THUMBNAIL_PRIORITY, IMAGE_ATTEMPTS),
            Operation::Image(_) | Operation::SourcePoster { .. } => {
                (INTERACTIVE_PRIORITY, IMAGE_ATTEMPTS)
            }
            Operation::Audio { .. } | Operation::Remux | Operation::Index { .. } => {
                (INTERACTIVE_PRIORITY, ENCODE_ATTEMPTS)
            }
        };
        JobSubmission {
            class: self.class(),
            kind: self.kind().to_owned(),
            title: title.unwrap_or_else(|_| self.title.clone()),
            payload: serde_json::to_string(self).expect("numbers and strings"),
            priority,
            dedupe_key: Some(self.key().to_string()),
            max_attempts,
        }
    }

    /// The job as a submission, for a viewer who waits for it.
    pub fn urgent_submission(&self) -> JobSubmission {
        let submission = self.submission();
        let priority = submission.priority.max(VIEWED_PRIORITY);
        JobSubmission { priority, ..submission }
    }
}

/// All parameters that decide the bytes of a rendition, for the keys of the rendition and its chunks:
/// `h264-720p-quick-1280x720-22-2800000`.
fn parameters(rendition: &RenditionSpec) -> String {
    let RenditionSpec { effort, frame_width, frame_height, quality, bit_rate_max, .. } = rendition;
    let effort = effort.as_str();
    format!("{rendition}-{effort}-{frame_width}x{frame_height}-{quality}-{bit_rate_max}")
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

    /// Distinguishes it from all other images of the title.
    fn key_suffix(&self) -> String {
        let version = images::FORMAT_VERSION;
        match self {
            Self::Poster { size } => format!("poster{version}-{size}"),
            Self::Thumbnail { time_ms, exact, size, format } => {
                let accuracy = if *exact { "at" } else { "near" };
                format!("thumbnail{version}-{accuracy}-{time_ms}-{size}-{}", format.extension())
            }
            Self::Sheet { number } => format!("sheet{version}-{number}"),
            Self::Overview => format!("overview{version}"),
            Self::Preview { size } => format!("preview{version}-{size}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcode::renditions::spec::{Effort, VideoCodec};

    #[test]
    fn keys_differ_by_every_parameter_that_decides_the_bytes() {
        let rendition = RenditionSpec {
            codec: VideoCodec::H264,
            effort: Effort::Quick,
            height: 720,
            frame_width: 1280,
            frame_height: 720,
            quality: 22,
            bit_rate_max: 2_800_000,
            buffer_bits: 5_600_000,
        };
        let renditions = [
            rendition,
            RenditionSpec { codec: VideoCodec::Hevc, ..rendition },
            RenditionSpec { effort: Effort::Thorough, ..rendition },
            RenditionSpec { height: 480, ..rendition },
            RenditionSpec { frame_width: 960, ..rendition },
            RenditionSpec { frame_height: 540, ..rendition },
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
