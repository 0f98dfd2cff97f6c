//! Job requests of clients (`POST /api/jobs`), and their job specs.

use serde::{Deserialize, Serialize};

use super::Error;
use crate::{
    extent::disk::Version,
    library::MediaPath,
    movie::{Movie, Track},
    package::stills,
    transcode::{
        JobSpec, Operation,
        renditions::{
            audio,
            spec::{Effort, RenditionSpec, VideoCodec, VideoTrack},
        },
    },
};

/// A job request of a client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum JobRequest {
    /// Transcodes the title's video.
    Rendition {
        /// The title's path.
        title: String,
        /// Height in pixels; the width of upright video.
        height: u32,
        /// The codec.
        codec: VideoCodec,
        /// The encoder's effort.
        #[serde(default)]
        effort: Effort,
    },
    /// Renders all storyboard sheets, for the previews of a seek bar.
    Storyboard {
        /// The title's path.
        title: String,
    },
    /// Transcodes an audio track that browsers do not play to AAC.
    Audio {
        /// The title's path.
        title: String,
        /// The track's identifier; by default the first track that browsers do not play.
        #[serde(default)]
        track: Option<u32>,
    },
    /// Copies a file of another container into an MP4 in advance, so that it plays at once.
    Remux {
        /// The title's path.
        title: String,
    },
}

impl JobRequest {
    /// The path of the title.
    pub fn title(&self) -> &str {
        match self {
            Self::Rendition { title, .. }
            | Self::Storyboard { title }
            | Self::Audio { title, .. }
            | Self::Remux { title } => title,
        }
    }

    /// The audio jobs of a rendition: AAC of each audio track that browsers do not play, so that browsers
    /// which play the video play the audio too.
    pub fn audio_specs(&self, title: &MediaPath, version: Version, movie: &Movie) -> Vec<JobSpec> {
        let Self::Rendition { .. } = self else {
            return Vec::new();
        };
        Operation::audio_encodings(movie)
            .map(|operation| JobSpec::new(title, version, operation))
            .collect()
    }

    /// The job spec for a title whose playable file is `movie`. Fails if the title does not allow the job.
    pub fn spec(
        &self,
        title: &MediaPath,
        version: Version,
        movie: &Movie,
    ) -> Result<JobSpec, Error> {
        let operation = match self {
            Self::Remux { .. } => {
                return Err(Error::Unprocessable("the title already plays without a remux".into()));
            }
            Self::Storyboard { .. } => {
                stills::track(movie)?;
                Operation::Storyboard
            }
            Self::Audio { track: wanted, .. } => {
                let is_wanted = |track: &&Track| wanted.is_none_or(|id| track.id == id);
                let track = audio::encodable(movie).find(is_wanted).ok_or_else(|| {
                    let none = "no such audio track, or browsers already play it";
                    Error::Unprocessable(none.into())
                })?;
                Operation::Audio { track: track.id }
            }
            Self::Rendition { height, codec, effort, .. } => {
                let video = VideoTrack::from_track(stills::track(movie)?).ok_or(Error::NotFound)?;
                let rendition =
                    RenditionSpec::new(&video, *height, *codec, *effort).ok_or_else(|| {
                        let most = video.short_side();
                        Error::Unprocessable(format!(
                            "height must be from 2 to {most}, the height of the title"
                        ))
                    })?;
                Operation::Rendition { rendition }
            }
        };
        Ok(JobSpec::new(title, version, operation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<JobRequest, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_request_is_parsed_whole_or_refused() {
        let title = || "films/a.mp4".to_owned();
        for (json, expected) in [
            (
                r#"{"kind":"rendition","title":"films/a.mp4","height":720,"codec":"h264"}"#,
                JobRequest::Rendition {
                    title: title(),
                    height: 720,
                    codec: VideoCodec::H264,
                    effort: Effort::Quick,
                },
            ),
            (
                r#"{"kind":"storyboard","title":"films/a.mp4"}"#,
                JobRequest::Storyboard { title: title() },
            ),
            (r#"{"kind":"remux","title":"films/a.mp4"}"#, JobRequest::Remux { title: title() }),
            (
                r#"{"kind":"audio","title":"films/a.mp4"}"#,
                JobRequest::Audio { title: title(), track: None },
            ),
            (
                r#"{"kind":"audio","title":"films/a.mp4","track":2}"#,
                JobRequest::Audio { title: title(), track: Some(2) },
            ),
        ] {
            assert_eq!(parse(json), Ok(expected), "{json}");
        }
        for (json, expected) in [
            ("", "EOF"),
            ("[]", "kind"),
            (r#"{"title":"a.mp4"}"#, "kind"),
            (r#"{"kind":"movie","title":"a.mp4"}"#, "movie"),
            (r#"{"kind":"storyboard"}"#, "title"),
            (r#"{"kind":"storyboard","title":7}"#, "7"),
            (r#"{"kind":"storyboard","title":"a.mp4","height":720}"#, "height"),
            (r#"{"kind":"rendition","title":"a.mp4","codec":"h264"}"#, "height"),
            (r#"{"kind":"rendition","title":"a.mp4","height":720,"codec":"h263"}"#, "h263"),
            (r#"{"kind":"rendition","title":"a.mp4","height":-1,"codec":"h264"}"#, "-1"),
            (r#"{"kind":"storyboard","title":"a.mp4"} more"#, "trailing"),
        ] {
            let error = parse(json).expect_err(json);
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
