//! The assets of a title besides its own file: renditions, subtitles, the storyboard.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::{
    Error, Titles, images,
    job_tracks::{self, Kind, OpenJobTrack},
    opened::Opened,
    remux,
    sets::Set,
    texts::{self, LeftOut, TextOrigin, TextSource},
};
use crate::{
    library::{MediaPath, sidecar_name::Sidecar},
    package::{renditions, storyboard::Storyboard},
};

/// The opened assets of a title.
#[derive(Default)]
pub struct TitleAssets {
    /// The relative URL from the manifest to the title's own folder: empty, except for a set.
    pub prefix: String,
    /// Video renditions whose segments begin at the same times as the title's.
    pub renditions: Vec<Rendition>,
    /// AAC renditions of audio tracks that browsers do not play.
    pub audio: Vec<AudioRendition>,
    /// The storyboard, if jobs can render it.
    pub storyboard: Option<Storyboard>,
    /// Subtitles, in the order of their numbers.
    pub texts: Vec<TextSource>,
    /// For each audio track of a remuxed movie, its language in the source file.
    pub audio_languages: Vec<Option<String>>,
    /// Files that were left out, and the reasons.
    pub left_out: LeftOut,
}

/// A video rendition of a title.
pub struct Rendition {
    /// The relative URL of its folder.
    pub prefix: String,
    /// The folder of its video track; `None` for the folder of the track's place in the movie.
    pub folder: Option<String>,
    /// The file.
    pub opened: Opened,
}

/// An audio rendition of a title.
pub struct AudioRendition {
    /// The folder of the track.
    pub folder: String,
    /// The place of the original track in the movie.
    pub place: usize,
    /// The file.
    pub opened: Opened,
}

impl TitleAssets {
    /// Opens the assets of a title. An asset that cannot be opened, or does not fit, is left out: the title
    /// plays without it.
    ///
    /// `encoded` is the request's path, the base of the renditions' relative URLs.
    pub async fn open(
        titles: &Titles,
        title: &MediaPath,
        opened: &Opened,
        encoded: &str,
    ) -> Result<Self, Error> {
        let sidecars = texts::sidecars(titles, title).await?;
        let mut assets = Self::default();
        for path in &sidecars.renditions {
            let prefix = relative_prefix(path, encoded);
            match titles.open(path).await {
                Ok(rendition) => assets.add_rendition(opened, path, prefix, rendition),
                Err(error) => assets.left_out.push((path.clone(), error.to_string())),
            }
        }
        let remuxed = remux::description(titles, opened).await.unwrap_or_default();
        assets.audio_languages = remuxed.audio_languages;
        let (texts, unreadable) = texts::open_among(titles, opened, remuxed.texts, sidecars).await;
        assets.texts = texts;
        assets.left_out.extend(unreadable);
        assets.add_artifacts(titles, title, opened).await;
        Ok(assets)
    }

    /// Opens the assets of a set: its other members, and those of its leading member. Returns that too.
    pub async fn of_set(titles: &Titles, set: Set) -> Result<(Opened, Self), Error> {
        let Set { leading, others, left_out } = set;
        let mut assets = Self { prefix: leading.prefix(), left_out, ..Self::default() };
        for member in others {
            let prefix = member.prefix();
            assets.add_rendition(&leading.opened, &member.path, prefix, member.opened);
        }
        let (texts, unreadable) = texts::open(titles, &leading.path, &leading.opened).await?;
        assets.texts = texts;
        assets.left_out.extend(unreadable);
        assets.add_artifacts(titles, &leading.path, &leading.opened).await;
        Ok((leading.opened, assets))
    }

    /// Adds a rendition, if its segments begin at the same times as the title's.
    fn add_rendition(
        &mut self,
        title: &Opened,
        path: &MediaPath,
        prefix: String,
        rendition: Opened,
    ) {
        match renditions::check_alignment(&title.movie, &rendition.movie) {
            Ok(()) => {
                self.renditions.push(Rendition { prefix, folder: None, opened: rendition });
            }
            Err(why) => self.left_out.push((path.clone(), why.to_string())),
        }
    }

    /// Adds the renditions that jobs have finished, and the storyboard that they can render.
    async fn add_artifacts(&mut self, titles: &Titles, title: &MediaPath, opened: &Opened) {
        for OpenJobTrack { folder, kind, opened: track } in
            job_tracks::open_all(titles, opened).await
        {
            match kind {
                // The job has checked the alignment too, but a manifest must not rely on that.
                Kind::Video if renditions::check_alignment(&opened.movie, &track.movie).is_ok() => {
                    let (prefix, folder) = (self.prefix.clone(), Some(folder));
                    self.renditions.push(Rendition { prefix, folder, opened: track });
                }
                Kind::Video => {}
                Kind::Audio(id) => {
                    let mut tracks = opened.movie.tracks.iter();
                    if let Some(place) = tracks.position(|other| other.id == id) {
                        self.audio.push(AudioRendition { folder, place, opened: track });
                    }
                }
            }
        }
        self.storyboard = images::storyboard(titles, title, opened, &self.prefix);
    }

    /// Logs the files that were left out. Call it when a manifest is written, which is once for each
    /// [`digest`](Self::digest), and not when a cached one is sent.
    pub fn log_left_out(&self) {
        for (path, why) in &self.left_out {
            tracing::warn!(file = %path.display(), %why, "left out of its title");
        }
    }

    /// The digest of these assets and of the files that were left out. Differs between states of a title.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.prefix.hash(&mut hasher);
        for Rendition { prefix, folder, opened } in &self.renditions {
            (prefix, folder, opened.version).hash(&mut hasher);
        }
        for AudioRendition { folder, opened, .. } in &self.audio {
            (folder, opened.version).hash(&mut hasher);
        }
        self.storyboard.as_ref().map(|storyboard| &storyboard.version).hash(&mut hasher);
        for text in &self.texts {
            text.version.hash(&mut hasher);
            // A remuxed movie has its texts for ever.
            if let TextOrigin::Sidecar { sidecar, .. } = &text.origin {
                let Sidecar { label, forced, hearing_impaired, is_default, .. } = sidecar;
                (label, forced, hearing_impaired, is_default).hash(&mut hasher);
            }
        }
        self.left_out.hash(&mut hasher);
        hasher.finish()
    }
}

/// The URL of a rendition's folder, relative to the requested view of its title.
///
/// If slashes in the title were encoded (`/v/a%2Ffilm.mp4/index.m3u8`), they are in one segment of the URL,
/// which has to be replaced as a whole.
fn relative_prefix(rendition: &MediaPath, encoded: &str) -> String {
    let title = encoded.rsplit('/').nth(1).unwrap_or_default();
    let hidden = title.as_bytes().windows(3).filter(|byte| byte.eq_ignore_ascii_case(b"%2f"));
    let whole = rendition.encoded().to_string();
    let names = whole.rmatch_indices('/').nth(hidden.count()).map_or(0, |(slash, _)| slash + 1);
    format!("../{}/", &whole[names..])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_rendition_is_reachable_from_every_form_of_its_titles_url() {
        let rendition = MediaPath::from_path(Path::new("a b/c/film.180p.mp4")).expect("a path");
        for (encoded, prefix) in [
            ("/v/a%20b/c/film.mp4/index.m3u8", "../film.180p.mp4/"),
            ("/v/a%20b/c%2Ffilm.mp4/index.m3u8", "../c/film.180p.mp4/"),
            ("/v/a%20b%2fc%2Ffilm.mp4/index.m3u8", "../a%20b/c/film.180p.mp4/"),
            ("/v/a%20b%2Fc/film.mp4/index.m3u8", "../film.180p.mp4/"),
        ] {
            assert_eq!(relative_prefix(&rendition, encoded), prefix, "{encoded}");
        }
    }
}
