//! Renditions and sounds that jobs have made of a title: part of its manifests as soon as they are there.
//!
//! Their segments are under the title's own URL, in a folder that is named by what was made and by the
//! lease under which it was (`h264-720p-quick-1280x720-22-2800000-123`, `aac-2-124`). So all that it takes to find the file stands
//! in the URL, and a segment needs no database.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::task::spawn_local;

use super::opened::Opened;
use crate::{
    extent::disk::File,
    http::{Error, Site},
    library::MediaPath,
    movie::Movie,
    store::artifacts::Key,
    titles::artifacts::Artifacts,
    transcode::{AUDIO_FILE, JobSpec, Operation, RENDITION_FILE, renditions::audio},
};

/// The folders of the tracks in what was made, which has one each.
const PICTURES: &str = "video-1";
const ONLY_SOUND: &str = "audio-1";

/// A track that a job has made, by its folder in URLs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MadeTrack<'a> {
    /// Its key without the version: `h264-720p-quick-1280x720-22-2800000`, `aac-2`.
    name: &'a str,
    kind: Kind,
    token: i64,
}

/// What a made track is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Pictures of another size or codec.
    Pictures,
    /// AAC of the sound with this identifier.
    Sound(u32),
}

impl<'a> MadeTrack<'a> {
    /// From a track's folder; `None` if it is one of the file's own.
    pub fn parse(folder: &'a str) -> Option<Self> {
        let (name, token) = folder.rsplit_once('-')?;
        let (coding, what) = name.split_once('-')?;
        let kind = match coding {
            "h264" | "hevc" | "av1" => {
                let mut parts = what.split('-');
                number(parts.next()?.strip_suffix('p')?)?;
                parts.next().filter(|effort| matches!(*effort, "quick" | "thorough"))?;
                let (width, height) = parts.next()?.split_once('x')?;
                [width, height, parts.next()?, parts.next()?]
                    .into_iter()
                    .try_for_each(|digits| number(digits).map(drop))?;
                parts.next().is_none().then_some(Kind::Pictures)?
            }
            "aac" => Kind::Sound(number(what)?.try_into().ok()?),
            _ => return None,
        };
        Some(Self { name, kind, token: number(token)? })
    }

    /// The folder of the track in the file that was made.
    pub fn folder(self) -> &'static str {
        match self.kind {
            Kind::Pictures => PICTURES,
            Kind::Sound(_) => ONLY_SOUND,
        }
    }

    /// Where its file is, among all that was made.
    fn path(self, title: &Opened) -> Option<PathBuf> {
        let key = Key::new(format!("{}-{}", title.source, self.name))?;
        let file = match self.kind {
            Kind::Pictures => RENDITION_FILE,
            Kind::Sound(_) => AUDIO_FILE,
        };
        Some([key.as_str(), &self.token.to_string(), file].iter().collect())
    }

    /// Opens it, with its index.
    pub async fn open(self, site: &Site, title: &Opened) -> Result<Opened, Error> {
        let artifacts = site.artifacts.load_full().ok_or(Error::NotFound)?;
        let path = self.path(title).ok_or(Error::NotFound)?;
        let file = artifacts.file(&path).await?;
        let index = site.library.indices.index(&file).await?;
        let movie =
            index.map_err(|refused| Error::Internal(Box::new(Broken(refused.to_string()))))?;
        Ok(title.rendition(file, movie, site))
    }

    /// As [`open`](Self::open), if that needs no waiting.
    pub fn open_now(self, site: &Site, title: &Opened) -> Option<Opened> {
        let artifacts = site.artifacts.load_full()?;
        let file: Arc<File> = artifacts.file_now(&self.path(title)?)?;
        let movie: Arc<Movie> = site.library.indices.get(&file)?.ok()?;
        Some(title.rendition(file, movie, site))
    }
}

/// A number above zero, written as one writes it.
fn number(digits: &str) -> Option<i64> {
    let is_plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_plain)
}

/// All that was made of a title so far, with the folders in URLs. What cannot be known, or not be opened,
/// is not there: the title plays without.
pub async fn made(site: &Site, title: &Opened) -> Vec<(String, Kind, Opened)> {
    let Some(artifacts) = site.artifacts.load_full() else {
        return Vec::new();
    };
    let mut opened = Vec::new();
    for folder in folders(&artifacts, title).await {
        let Some(made) = MadeTrack::parse(&folder) else {
            continue;
        };
        let kind = made.kind;
        match made.open(site, title).await {
            Ok(movie) => opened.push((folder, kind, movie)),
            Err(error) => tracing::warn!(folder, %error, "a rendition is left out of its title"),
        }
    }
    opened
}

/// Has AAC made of a title of which nothing would be heard in a browser, as what does not play at all is
/// made playable when it is first asked for. Nobody waits for it: others may hear the title as it is.
pub fn have_it_heard(site: &Site, title: &MediaPath, opened: &Opened) {
    let Some(artifacts) = site.artifacts.load_full().filter(|_| audio::is_silent(&opened.movie))
    else {
        return;
    };
    for operation in Operation::audio_encodings(&opened.movie) {
        let spec = JobSpec::new(title, opened.source, operation);
        if artifacts.known(&spec.key()).is_none() {
            let artifacts = Arc::clone(&artifacts);
            // What stands in the way is in the list of jobs.
            spawn_local(async move { drop(artifacts.obtain(spec, Duration::ZERO).await) });
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

/// What a job has made is no movie, although it looked at it itself.
#[derive(Debug, thiserror::Error)]
#[error("a rendition is broken: {0}")]
struct Broken(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_that_of_what_was_made_or_of_a_track_of_the_file() {
        let name = "h264-720p-quick-1280x720-22-2800000";
        let rendition = MadeTrack { name, kind: Kind::Pictures, token: 12 };
        assert_eq!(MadeTrack::parse(&format!("{name}-12")), Some(rendition));
        let sound = MadeTrack { name: "aac-2", kind: Kind::Sound(2), token: 13 };
        assert_eq!(MadeTrack::parse("aac-2-13"), Some(sound));
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
            assert_eq!(MadeTrack::parse(other), None, "{other}");
        }
    }
}
