//! What belongs to a title besides its own file, opened: renditions and subtitles.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::SystemTime,
};

use super::{
    job_tracks::{self, Kind},
    opened::{self, Opened},
};
use crate::http::routes::pictures;
use crate::{
    extent::disk::{File, OpenError, Version},
    http::{Error, Site},
    library::{MediaPath, Sidecars, sidecar_name::Sidecar},
    movie::Track,
    package::{
        presentation::{self, Segment},
        renditions,
        storyboard::Storyboard,
        text::SubtitleFormat,
        title,
    },
};

/// What a segment of subtitles is taken to be long, in bytes: a few lines. Its true length would have to
/// be read from another file, and is nothing beside pictures and sound.
const TEXT_BYTES: u64 = 512;

/// A title with what belongs to it.
#[derive(Default)]
pub struct TitleAssets {
    /// The relative URL of the title's own folder, from that of the manifest: empty, but for a set.
    pub prefix: String,
    /// Renditions that are cut where the title is.
    pub renditions: Vec<Rendition>,
    /// AAC of sounds that browsers do not play.
    pub sounds: Vec<Sound>,
    /// The small pictures of it, if there is somebody to make them.
    pub storyboard: Option<Storyboard>,
    /// Subtitles, in the order in which they are numbered.
    pub texts: Vec<TextSource>,
    /// What would belong to it, and why it does not.
    left_out: Vec<(MediaPath, String)>,
}

/// A rendition of a title.
pub struct Rendition {
    /// The relative URL of its folder.
    pub prefix: String,
    /// The folder of its pictures, if it is not by its place in the movie.
    pub folder: Option<String>,
    pub opened: Opened,
}

/// What was made of a sound of a title.
pub struct Sound {
    /// Its folder.
    pub folder: String,
    /// Which sound it was made of: its place in the movie.
    pub place: usize,
    pub opened: Opened,
}

/// Where the subtitles of one language come from.
pub struct TextSource {
    /// Names what is made of them.
    pub version: Version,
    pub from: From,
    /// Whether manifests list them. Those that are not keep their number.
    pub is_listed: bool,
}

pub enum From {
    /// A track of the title's own, by its place.
    Track(usize),
    /// A file beside it.
    Sidecar { file: Arc<File>, kind: SubtitleFormat, sidecar: Sidecar },
}

impl TitleAssets {
    /// Opens what belongs to a title. What cannot be opened, or does not fit, is left out: the title
    /// plays without.
    ///
    /// `encoded` is the request's path, to which the relative URLs of renditions have to fit.
    pub async fn of(
        site: &Site,
        title: &MediaPath,
        opened: &Opened,
        encoded: &str,
    ) -> Result<Self, Error> {
        let companions = companions(site, title).await?;
        let mut company = Self::default();
        for path in &companions.renditions {
            let prefix = prefix_beside(path, encoded);
            match opened::open(site, path).await {
                Ok(rendition) => company.join(opened, path, prefix, rendition),
                Err(error) => company.left_out.push((path.clone(), error.to_string())),
            }
        }
        company.texts = texts_among(site, opened, companions).await;
        company.take_what_was_made(site, opened).await;
        Ok(company)
    }

    /// Takes in what jobs have made, and can make.
    async fn take_what_was_made(&mut self, site: &Site, opened: &Opened) {
        for (folder, kind, made) in job_tracks::made(site, opened).await {
            match kind {
                // It was made to be cut alike, and looked at when it was.
                Kind::Pictures if renditions::agree(&opened.movie, &made.movie).is_ok() => {
                    let (prefix, folder) = (self.prefix.clone(), Some(folder));
                    self.renditions.push(Rendition { prefix, folder, opened: made });
                }
                Kind::Pictures => {}
                Kind::Sound(track) => {
                    let mut tracks = opened.movie.tracks.iter();
                    if let Some(place) = tracks.position(|other| other.id == track) {
                        self.sounds.push(Sound { folder, place, opened: made });
                    }
                }
            }
        }
        self.storyboard = pictures::storyboard(site, opened, &self.prefix);
    }

    /// Opens a folder that is a set of renditions: the one with the most pixels is the title itself,
    /// and its subtitles are those of the set. `None` if there is no such folder, or nothing in it that
    /// plays.
    pub async fn of_set(site: &Site, folder: &MediaPath) -> Result<Option<(Opened, Self)>, Error> {
        let mut company = Self::default();
        let mut members = Vec::new();
        for path in site.library.renditions_in_set(folder).await? {
            match opened::open(site, &path).await {
                Ok(opened) => members.push((title::pixels(&opened.movie), path, opened)),
                Err(error) => company.left_out.push((path, error.to_string())),
            }
        }
        members.sort_by_key(|(pixels, ..)| std::cmp::Reverse(*pixels));
        let mut members = members.into_iter();
        let Some((_, path, opened)) = members.next() else {
            return Ok(None);
        };
        company.prefix = format!("{}/", path.encoded_name());
        for (_, path, rendition) in members {
            company.join(&opened, &path, format!("{}/", path.encoded_name()), rendition);
        }
        company.texts = texts(site, &path, &opened).await?;
        company.take_what_was_made(site, &opened).await;
        Ok(Some((opened, company)))
    }

    /// Takes a rendition in, if it is cut where the title is.
    fn join(&mut self, title: &Opened, path: &MediaPath, prefix: String, rendition: Opened) {
        match renditions::agree(&title.movie, &rendition.movie) {
            Ok(()) => {
                self.renditions.push(Rendition { prefix, folder: None, opened: rendition });
            }
            Err(why) => self.left_out.push((path.clone(), why.to_string())),
        }
    }

    /// Logs what was left out. To be called when a manifest is made, which is once for each
    /// [`digest`](Self::digest), and not when one that was kept is sent again.
    pub fn tell_what_is_left_out(&self) {
        for (path, why) in &self.left_out {
            tracing::warn!(file = %path.display(), %why, "left out of its title");
        }
    }

    /// Tells one company of a title from another, also by what is left out of it.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.prefix.hash(&mut hasher);
        for Rendition { prefix, folder, opened } in &self.renditions {
            (prefix, folder, opened.version).hash(&mut hasher);
        }
        for Sound { folder, opened, .. } in &self.sounds {
            (folder, opened.version).hash(&mut hasher);
        }
        self.storyboard.as_ref().map(|storyboard| &storyboard.version).hash(&mut hasher);
        for text in &self.texts {
            text.version.hash(&mut hasher);
            if let From::Sidecar { sidecar, .. } = &text.from {
                (&sidecar.label, sidecar.forced, sidecar.hearing_impaired).hash(&mut hasher);
            }
        }
        self.left_out.hash(&mut hasher);
        hasher.finish()
    }
}

/// The relative URL of a rendition's folder from that of its title, in which a view was asked for.
///
/// Slashes in the title may have come encoded (`/v/a%2Ffilm.mp4/index.m3u8`); then they are in one
/// segment of the URL, and all of it has to be replaced.
fn prefix_beside(rendition: &MediaPath, encoded: &str) -> String {
    let title = encoded.rsplit('/').nth(1).unwrap_or_default();
    let hidden = title.as_bytes().windows(3).filter(|byte| byte.eq_ignore_ascii_case(b"%2f"));
    let whole = rendition.encoded().to_string();
    let names = whole.rmatch_indices('/').nth(hidden.count()).map_or(0, |(slash, _)| slash + 1);
    format!("../{}/", &whole[names..])
}

/// The names of what belongs to a title. Where they cannot be known, as in a folder that may not be
/// listed, there is nothing.
async fn companions(site: &Site, title: &MediaPath) -> Result<Sidecars, Error> {
    match site.library.sidecars(title).await {
        Err(error @ (OpenError::NotFound | OpenError::Io(_))) => {
            tracing::debug!(title = %title.display(), %error, "what lies beside it is not known");
            Ok(Sidecars::default())
        }
        found => Ok(found?),
    }
}

/// Opens the subtitles of a title, in the order in which they are numbered.
pub async fn texts(
    site: &Site,
    title: &MediaPath,
    opened: &Opened,
) -> Result<Vec<TextSource>, Error> {
    Ok(texts_among(site, opened, companions(site, title).await?).await)
}

async fn texts_among(site: &Site, opened: &Opened, companions: Sidecars) -> Vec<TextSource> {
    let own = |place| {
        let from = From::Track(place);
        TextSource { version: opened.version, from, is_listed: true }
    };
    let mut texts: Vec<_> = title::texts(&opened.movie).map(own).collect();
    for (path, sidecar) in companions.subtitles {
        match site.library.open(&path).await {
            Ok(file) => {
                let kind = SubtitleFormat::from_name(path.file_name());
                // The segments are cut where the title's are.
                let version = opened.version.and(text_version(&file, kind, &sidecar));
                let from = From::Sidecar { file, kind, sidecar };
                texts.push(TextSource { version, from, is_listed: true });
            }
            Err(error) => tracing::debug!(sidecar = %path.display(), %error, "left out"),
        }
    }
    texts
}

/// The version of what is read in a file of subtitles. The name has a part in it: the format, and the
/// language, from which an old encoding is guessed.
fn text_version(file: &File, kind: SubtitleFormat, sidecar: &Sidecar) -> Version {
    let version = file.identity().version().with(match kind {
        SubtitleFormat::Srt => 1,
        SubtitleFormat::WebVtt => 2,
    });
    let language = sidecar.language.as_deref().unwrap_or_default();
    language.bytes().fold(version, |version, byte| version.with(byte.into()))
}

impl TextSource {
    /// When the last of the files that it is made of was written to.
    pub fn modified(&self, title: &Opened) -> SystemTime {
        let modified = title.file.identity().modified();
        match &self.from {
            From::Track(_) => modified,
            From::Sidecar { file, .. } => modified.max(file.identity().modified()),
        }
    }
}

/// A title's subtitles as manifests know them, cut where its leading track is.
pub fn text_track(
    source: &TextSource,
    number: usize,
    prefix: &str,
    movie_tracks: &[Track],
    leading: &presentation::Track,
) -> presentation::Track {
    let (language, label, forced, hearing_impaired) = match &source.from {
        From::Track(place) => {
            let track = &movie_tracks[*place];
            (title::language(track), track.name.clone().unwrap_or_default(), false, false)
        }
        From::Sidecar { sidecar, .. } => (
            sidecar.language.clone(),
            sidecar.label.clone(),
            sidecar.forced,
            sidecar.hearing_impaired,
        ),
    };
    presentation::Track {
        prefix: prefix.to_owned(),
        version: source.version.to_string(),
        folder: format!("text-{}", number + 1),
        codecs: String::new(),
        timescale: leading.timescale,
        language,
        label,
        is_default: false,
        segments: leading
            .segments
            .iter()
            .map(|segment| Segment { bytes: TEXT_BYTES, ..*segment })
            .collect(),
        target_duration_min_s: 0,
        protection: None,
        kind: presentation::Kind::Text(presentation::Text { forced, hearing_impaired }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_rendition_is_found_from_wherever_its_title_was_asked_for() {
        let rendition = MediaPath::from_path(Path::new("a b/c/film.180p.mp4")).expect("a path");
        for (encoded, prefix) in [
            ("/v/a%20b/c/film.mp4/index.m3u8", "../film.180p.mp4/"),
            ("/v/a%20b/c%2Ffilm.mp4/index.m3u8", "../c/film.180p.mp4/"),
            ("/v/a%20b%2fc%2Ffilm.mp4/index.m3u8", "../a%20b/c/film.180p.mp4/"),
            ("/v/a%20b%2Fc/film.mp4/index.m3u8", "../film.180p.mp4/"),
        ] {
            assert_eq!(prefix_beside(&rendition, encoded), prefix, "{encoded}");
        }
    }
}
