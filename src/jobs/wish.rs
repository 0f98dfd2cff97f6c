//! What people may ask for, and the job that it becomes.

use serde::{Deserialize, Serialize};

use super::queue::{Class, NewJob};
use crate::{config::value::Within, extent::disk::Version};

/// Something that is to be made of a title.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Wish {
    /// Its picture encoded anew, this many lines high.
    Rendition {
        /// The title's path.
        title: String,
        /// Lines of the picture.
        height: Lines,
        /// How it is encoded.
        codec: Codec,
    },
    /// Small pictures of all of it, for the bar by which players seek.
    Storyboard {
        /// The title's path.
        title: String,
    },
    /// Its streams in another container, as they are.
    Remux {
        /// The title's path.
        title: String,
    },
}

/// How high a picture may be, in lines.
pub type Lines = Within<64, 4320>;

/// How a picture is encoded.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// What every player plays.
    H264,
}

/// What a job that was wished for carries: the wish, and the state of the file that it was made for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ordered {
    /// What is to be made.
    pub wish: Wish,
    /// The version of the title's file.
    pub version: String,
}

/// Before what was thought of by nobody: somebody waits for it.
const PRIORITY: i64 = 10;

/// How often a job is begun at most.
const ATTEMPTS_MAX: u32 = 3;

impl Wish {
    /// The path of the title that it is about.
    pub fn title(&self) -> &str {
        match self {
            Self::Rendition { title, .. } | Self::Storyboard { title } | Self::Remux { title } => {
                title
            }
        }
    }

    /// Its kind, as it stands in a wish.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rendition { .. } => "rendition",
            Self::Storyboard { .. } => "storyboard",
            Self::Remux { .. } => "remux",
        }
    }

    /// The job that makes it of this version of the file. Of equal jobs only one is alive at a time.
    pub fn job(self, version: Version) -> NewJob {
        let version = version.to_string();
        let (class, parameters) = match &self {
            Self::Rendition { height, codec, .. } => {
                (Class::Encode, format!(" {height} {codec:?}"))
            }
            Self::Storyboard { .. } => (Class::Picture, String::new()),
            Self::Remux { .. } => (Class::Remux, String::new()),
        };
        let (kind, title) = (self.kind().to_owned(), self.title().to_owned());
        // The title last: it may hold any character.
        let dedupe_key = format!("{kind} {version}{parameters} {title}");
        let payload = serde_json::to_string(&Ordered { wish: self, version });
        NewJob {
            class,
            kind,
            title,
            payload: payload.expect("text and numbers"),
            priority: PRIORITY,
            dedupe_key: Some(dedupe_key),
            max_attempts: ATTEMPTS_MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(json: &str) -> Result<Wish, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_wish_is_understood_whole_or_not_at_all() {
        let height = |lines: &str| lines.parse().expect("a height");
        let title = || "films/a.mp4".to_owned();
        for (json, expected) in [
            (
                r#"{"kind":"rendition","title":"films/a.mp4","height":720,"codec":"h264"}"#,
                Wish::Rendition { title: title(), height: height("720"), codec: Codec::H264 },
            ),
            (r#"{"kind":"storyboard","title":"films/a.mp4"}"#, Wish::Storyboard { title: title() }),
            (r#"{"title":"films/a.mp4","kind":"remux"}"#, Wish::Remux { title: title() }),
        ] {
            assert_eq!(wish(json), Ok(expected), "{json}");
        }
        for (json, told) in [
            ("", "EOF"),
            ("[]", "kind"),
            (r#"{"title":"a.mp4"}"#, "kind"),
            (r#"{"kind":"film","title":"a.mp4"}"#, "film"),
            (r#"{"kind":"remux"}"#, "title"),
            (r#"{"kind":"remux","title":7}"#, "7"),
            (r#"{"kind":"remux","title":"a.mp4","height":720}"#, "height"),
            (r#"{"kind":"rendition","title":"a.mp4","codec":"h264"}"#, "height"),
            (r#"{"kind":"rendition","title":"a.mp4","height":720,"codec":"h263"}"#, "h263"),
            (r#"{"kind":"rendition","title":"a.mp4","height":-1,"codec":"h264"}"#, "64 to 4320"),
            (r#"{"kind":"rendition","title":"a.mp4","height":9999,"codec":"h264"}"#, "64 to 4320"),
            (r#"{"kind":"remux","title":"a.mp4"} more"#, "trailing"),
        ] {
            let error = wish(json).expect_err(json);
            assert!(error.contains(told), "{json}: {error}");
        }
    }

    #[test]
    fn what_a_job_carries_is_the_wish_and_equal_wishes_are_one_job() {
        let json = r#"{"kind":"rendition","title":"a.mp4","height":720,"codec":"h264"}"#;
        let job = |json| wish(json).expect("a wish").job(Version::default());
        let one = job(json);
        let ordered: Ordered = serde_json::from_str(&one.payload).expect("what was written");
        assert_eq!(Ok(ordered.wish), wish(json));
        assert_eq!(one.dedupe_key, job(json).dedupe_key);
        let others = [
            json.replace("720", "480"),
            json.replace("a.mp4", "b.mp4"),
            r#"{"kind":"remux","title":"a.mp4"}"#.to_owned(),
            r#"{"kind":"storyboard","title":"a.mp4"}"#.to_owned(),
        ];
        for other in &others {
            assert_ne!(one.dedupe_key, job(other).dedupe_key, "{other}");
        }
    }
}
