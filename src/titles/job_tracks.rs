//! Video and audio renditions from jobs, which a title's manifests list as soon as they exist.
//!
//! Their segments are below the title's own URL, in a folder with the name of the artifact and the token of
//! its lease (`h264-720p-quick-1280x720-22-2800000-123`, `aac-2-124`). So the URL alone leads to the file,
//! and a segment needs no database.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::task::spawn_local;

use super::{Error, Titles, artifacts::Artifacts, opened::Opened, readiness::Waiting};
use crate::{
    library::MediaPath,
    shares::ClientKey,
    store::artifacts::Key,
    transcode::{AUDIO_FILE, JobSpec, Operation, RENDITION_FILE, renditions::audio},
};

/// The folders of the tracks within a rendition's file, which has one track.
const VIDEO_FOLDER: &str = "video-1";
const AUDIO_FOLDER: &str = "audio-1";

/// A track from a job, by its folder in URLs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JobTrack<'a> {
    /// The artifact's key without the version: `h264-720p-quick-1280x720-22-2800000`, `aac-2`.
    name: &'a str,
    kind: Kind,
    token: i64,
}

/// The kind of a track from a job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Video of another height or codec.
    Video,
    /// AAC of the audio track with this identifier.
    Audio(u32),
}

/// An opened track from a job.
pub struct OpenJobTrack {
    /// The folder in URLs.
    pub folder: String,
    /// The kind.
    pub kind: Kind,
    /// The file.
    pub opened: Opened,
}

impl<'a> JobTrack<'a> {
    /// Parses a folder; `None` for a track of the title's own file.
    pub fn parse(folder: &'a str) -> Option<Self> {
        let (name, token) = folder.rsplit_once('-')?;
        let (codec, what) = name.split_once('-')?;
        let kind = match codec {
            "h264" | "hevc" | "av1" => {
                let mut parts = what.split('-');
                number(parts.next()?.strip_suffix('p')?)?;
                parts.next().filter(|effort| matches!(*effort, "quick" | "thorough"))?;
                let (width, height) = parts.next()?.split_once('x')?;
                [width, height, parts.next()?, parts.next()?]
                    .into_iter()
                    .try_for_each(|digits| number(digits).map(drop))?;
                parts.next().is_none().then_some(Kind::Video)?
            }
            "aac" => Kind::Audio(number(what)?.try_into().ok()?),
            _ => return None,
        };
        Some(Self { name, kind, token: number(token)? })
    }

    /// The folder of the track within the artifact's file.
    pub fn folder_in_file(self) -> &'static str {
        match self.kind {
            Kind::Video => VIDEO_FOLDER,
            Kind::Audio(_) => AUDIO_FOLDER,
        }
    }

    /// The path of the file below the folder of artifacts.
    fn path(self, title: &Opened) -> Option<PathBuf> {
        let key = Key::new(format!("{}-{}", title.source, self.name))?;
        let file = match self.kind {
            Kind::Video => RENDITION_FILE,
            Kind::Audio(_) => AUDIO_FILE,
        };
        Some([key.as_str(), &self.token.to_string(), file].iter().collect())
    }

    /// Opens the file and its index.
    pub async fn open(
        self,
        titles: &Titles,
        title: &Opened,
        waiting: Waiting,
    ) -> Result<Opened, Error> {
        let artifacts = titles.artifacts.load_full().ok_or(Error::NotFound)?;
        let path = self.path(title).ok_or(Error::NotFound)?;
        let file = artifacts.open_rendition(&path, waiting).await?;
        let index = titles.file_index(&file, waiting).await?;
        let movie = index.map_err(|why| Error::Internal(Box::new(Broken(why.to_string()))))?;
        Ok(titles.opened(file, movie, title.timing.begun))
    }
}

/// Parses a number above zero in its shortest form.
fn number(digits: &str) -> Option<i64> {
    let is_plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_plain)
}

/// Opens all tracks of a title from jobs. A track that cannot be opened is left out: the title plays without
/// it.
pub async fn open_all(titles: &Titles, title: &Opened) -> Vec<OpenJobTrack> {
    let Some(artifacts) = titles.artifacts.load_full() else {
        return Vec::new();
    };
    let mut tracks = Vec::new();
    for folder in folders(&artifacts, title).await {
        let Some(track) = JobTrack::parse(&folder) else {
            continue;
        };
        let kind = track.kind;
        match track.open(titles, title, Waiting::Allowed).await {
            Ok(opened) => tracks.push(OpenJobTrack { folder, kind, opened }),
            Err(error) => tracing::warn!(folder, %error, "rendition left out of its title"),
        }
    }
    tracks
}

/// Enqueues AAC of the audio that browsers do not play in segments, at the first request, like the remux of
/// a title that does not play at all: of [all](audio::urgent) if they would play none. The request does not
/// wait for it: other players play the title's own audio.
pub fn enqueue_audio(titles: &Titles, title: &MediaPath, opened: &Opened) {
    let Some(artifacts) = titles.artifacts.load_full() else {
        return;
    };
    for track in audio::urgent(&opened.movie) {
        let spec = JobSpec::new(title, opened.source, Operation::Audio { track: track.id });
        if artifacts.known(&spec.key()).is_none() {
            let artifacts = Arc::clone(&artifacts);
            // The list of jobs shows an error.
            let obtain = async move { drop(artifacts.obtain(spec, Duration::ZERO).await) };
            spawn_local(ClientKey::current().scope(obtain));
        }
    }
}

async fn folders(artifacts: &Arc<Artifacts>, title: &Opened) -> Vec<String> {
    let version = format!("{}-", title.source);
    let folder = |(key, token): &(String, i64)| {
        let name = key.strip_prefix(&version)?;
        Some(format!("{name}-{token}"))
    };
    artifacts.renditions(&title.source.to_string()).await.iter().filter_map(folder).collect()
}

/// An artifact is no movie, although its job has checked it.
#[derive(Debug, thiserror::Error)]
#[error("a rendition is broken: {0}")]
struct Broken(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_names_a_track_of_a_job_or_of_the_file() {
        let name = "h264-720p-quick-1280x720-22-2800000";
        let rendition = JobTrack { name, kind: Kind::Video, token: 12 };
        assert_eq!(JobTrack::parse(&format!("{name}-12")), Some(rendition));
        let audio = JobTrack { name: "aac-2", kind: Kind::Audio(2), token: 13 };
        assert_eq!(JobTrack::parse("aac-2-13"), Some(audio));
        for other in [
            "video-1",
            "audio-12",
            "h264-720p",
            "h264-720p-12",
            "h264-720p-quick-1280x720-22-2800000",
            "h264-720-quick-1280x720-22-2800000-1",
            "h264-0720p-quick-1280x720-22-2800000-1",
            "h264-720p-slow-1280x720-22-2800000-1",
            "h264-720p-quick-1280-22-2800000-1",
            "h264-720p-quick-1280x720-22-1",
            "h264-720p-quick-1280x720-22-2800000-9-1",
            "h264-720p-quick-1280x720-22-2800000-01",
            "h264-720p-quick-1280x720-22-2800000--1",
            "h264-720p-quick-1280x720-22-2800000-",
            "vp8-720p-quick-1280x720-22-2800000-1",
            "h264-p-quick-1280x720-22-2800000-1",
            "h264-720p-quick-1280x720-22-2800000-99999999999999999999",
            "aac-2",
            "aac-0-1",
            "aac-+2-1",
            "aac-4294967296-1",
        ] {
            assert_eq!(JobTrack::parse(other), None, "{other}");
        }
    }
}
