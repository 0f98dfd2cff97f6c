//! What people may ask for, and the task that it becomes.

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

/// Something that is to be made of a title.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum JobRequest {
    /// Its pictures encoded anew.
    Rendition {
        /// The title's path.
        title: String,
        /// Lines of the pictures; of upright ones, the width.
        height: u32,
        /// The codec.
        codec: VideoCodec,
        /// How long the encoder searches.
        #[serde(default)]
        effort: Effort,
    },
    /// Small pictures of all of it, for the bar by which players seek.
    Storyboard {
        /// The title's path.
        title: String,
    },
    /// AAC of a sound that browsers do not play.
    Sound {
        /// The title's path.
        title: String,
        /// Of which track, by its identifier; else of the first that they do not play.
        #[serde(default)]
        track: Option<u32>,
    },
    /// The movie of a file that is none, so that it plays at once when somebody asks for it.
    Remux {
        /// The title's path.
        title: String,
    },
}

impl JobRequest {
    /// The path of the title that it is about.
    pub fn title(&self) -> &str {
        match self {
            Self::Rendition { title, .. }
            | Self::Storyboard { title }
            | Self::Sound { title, .. }
            | Self::Remux { title } => title,
        }
    }

    /// What goes with it, so that the title can be heard where it can be seen: AAC of all sounds that
    /// browsers do not play, with a rendition.
    pub fn company(&self, title: &MediaPath, version: Version, movie: &Movie) -> Vec<JobSpec> {
        let Self::Rendition { .. } = self else {
            return Vec::new();
        };
        Operation::audio_encodings(movie)
            .map(|operation| JobSpec::new(title, version, operation))
            .collect()
    }

    /// The task that makes it of a title, of which `movie` is what plays. Errors if it cannot be had of
    /// this one.
    pub fn spec(
        &self,
        title: &MediaPath,
        version: Version,
        movie: &Movie,
    ) -> Result<JobSpec, Error> {
        let operation = match self {
            Self::Remux { .. } => {
                return Err(Error::Unprocessable("it plays as it is".into()));
            }
            Self::Storyboard { .. } => {
                stills::track(movie)?;
                Operation::Storyboard
            }
            Self::Sound { track: wanted, .. } => {
                let is_wanted = |track: &&Track| wanted.is_none_or(|id| track.id == id);
                let track = audio::encodable(movie).find(is_wanted).ok_or_else(|| {
                    Error::Unprocessable("it has no such sound that browsers do not play".into())
                })?;
                Operation::Audio { track: track.id }
            }
            Self::Rendition { height, codec, effort, .. } => {
                let pictures =
                    VideoTrack::from_track(stills::track(movie)?).ok_or(Error::NotFound)?;
                let rendition = RenditionSpec::new(&pictures, *height, *codec, *effort)
                    .ok_or_else(|| {
                        let lines = pictures.short_side();
                        Error::Unprocessable(format!(
                            "height must be from 2 to {lines}, which is what the title has"
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

    fn wish(json: &str) -> Result<JobRequest, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_wish_is_understood_whole_or_not_at_all() {
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
                JobRequest::Sound { title: title(), track: None },
            ),
            (
                r#"{"kind":"audio","title":"films/a.mp4","track":2}"#,
                JobRequest::Sound { title: title(), track: Some(2) },
            ),
        ] {
            assert_eq!(wish(json), Ok(expected), "{json}");
        }
        for (json, told) in [
            ("", "EOF"),
            ("[]", "kind"),
            (r#"{"title":"a.mp4"}"#, "kind"),
            (r#"{"kind":"film","title":"a.mp4"}"#, "film"),
            (r#"{"kind":"storyboard"}"#, "title"),
            (r#"{"kind":"storyboard","title":7}"#, "7"),
            (r#"{"kind":"storyboard","title":"a.mp4","height":720}"#, "height"),
            (r#"{"kind":"rendition","title":"a.mp4","codec":"h264"}"#, "height"),
            (r#"{"kind":"rendition","title":"a.mp4","height":720,"codec":"h263"}"#, "h263"),
            (r#"{"kind":"rendition","title":"a.mp4","height":-1,"codec":"h264"}"#, "-1"),
            (r#"{"kind":"storyboard","title":"a.mp4"} more"#, "trailing"),
        ] {
            let error = wish(json).expect_err(json);
            assert!(error.contains(told), "{json}: {error}");
        }
    }
}
