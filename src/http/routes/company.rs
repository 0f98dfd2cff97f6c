//! What belongs to a title besides its own file, opened: renditions and subtitles.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
    time::SystemTime,
};

use super::streams::{self, Opened};
use crate::{
    extent::disk::{File, Version},
    http::{Error, Site},
    library::{MediaPath, sidecars::Sidecar},
    movie::Track,
    package::{
        presentation::{self, Segment},
        renditions,
        text::TextKind,
        title,
    },
};

/// What a segment of subtitles is taken to be long, in bytes: a few lines. Its true length would have to
/// be read from another file, and is nothing beside pictures and sound.
const TEXT_BYTES: u64 = 512;

/// A title with what belongs to it.
#[derive(Default)]
pub(super) struct Company {
    /// The relative URL of the title's own folder, from that of the manifest: empty, but for a set.
    pub(super) prefix: String,
    /// Renditions that are cut where the title is, with the relative URLs of their folders.
    pub(super) renditions: Vec<(String, Opened)>,
    /// Subtitles, in the order in which they are numbered.
    pub(super) texts: Vec<TextSource>,
}

/// Where the subtitles of one language come from.
pub(super) struct TextSource {
    /// Names what is made of them.
    pub(super) version: Version,
    pub(super) from: From,
}

pub(super) enum From {
    /// A track of the title's own, by its place.
    Track(usize),
    /// A file beside it.
    Sidecar { file: Arc<File>, kind: TextKind, sidecar: Sidecar },
}

impl Company {
    /// Opens what belongs to a title. What cannot be opened, or does not fit, is left out: the title
    /// plays without.
    pub(super) async fn of(site: &Site, title: &MediaPath, opened: &Opened) -> Result<Self, Error> {
        let companions = site.library.companions(title).await?;
        let mut company = Self::default();
        for path in companions.renditions {
            if let Some(rendition) = open_rendition(site, &path).await {
                let prefix = format!("../{}/", path.encoded_name());
                company.join(opened, &path, prefix, rendition);
            }
        }
        let own = |place| TextSource { version: opened.version, from: From::Track(place) };
        company.texts.extend(title::texts(&opened.movie).map(own));
        for (path, sidecar) in companions.sidecars {
            match site.library.open(&path).await {
                Ok(file) => company.texts.push(TextSource {
                    // The segments are cut where the title's are.
                    version: opened.version.and(file.identity().version()),
                    from: From::Sidecar { file, kind: TextKind::of(path.file_name()), sidecar },
                }),
                Err(error) => tracing::debug!(sidecar = %path.display(), %error, "left out"),
            }
        }
        Ok(company)
    }

    /// Opens a folder that is a set of renditions: the one with the most pixels is the title itself.
    /// `None` if there is no such folder, or nothing in it that plays.
    pub(super) async fn of_set(
        site: &Site,
        folder: &MediaPath,
    ) -> Result<Option<(Opened, Self)>, Error> {
        let mut members = Vec::new();
        for path in site.library.set(folder).await? {
            if let Some(opened) = open_rendition(site, &path).await {
                members.push((title::pixels(&opened.movie), path, opened));
            }
        }
        members.sort_by_key(|(pixels, ..)| std::cmp::Reverse(*pixels));
        let mut members = members.into_iter();
        let Some((_, path, opened)) = members.next() else {
            return Ok(None);
        };
        let prefix = format!("{}/", path.encoded_name());
        let mut company = Self { prefix, ..Self::default() };
        for (_, path, rendition) in members {
            company.join(&opened, &path, format!("{}/", path.encoded_name()), rendition);
        }
        Ok(Some((opened, company)))
    }

    /// Takes a rendition in, if it is cut where the title is.
    fn join(&mut self, title: &Opened, path: &MediaPath, prefix: String, rendition: Opened) {
        match renditions::agree(&title.movie, &rendition.movie) {
            Ok(()) => self.renditions.push((prefix, rendition)),
            Err(why) => {
                tracing::warn!(rendition = %path.display(), %why, "left out of its title");
            }
        }
    }

    /// Tells one company of a title from another.
    pub(super) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.prefix.hash(&mut hasher);
        for (prefix, rendition) in &self.renditions {
            (prefix, rendition.version).hash(&mut hasher);
        }
        for text in &self.texts {
            text.version.hash(&mut hasher);
            if let From::Sidecar { sidecar, .. } = &text.from {
                (&sidecar.label, sidecar.forced, sidecar.hearing_impaired).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// When the last of the files was written to.
    pub(super) fn modified(&self, of: &Opened) -> SystemTime {
        let renditions = self.renditions.iter().map(|(_, rendition)| &rendition.file);
        let sidecars = self.texts.iter().filter_map(|text| match &text.from {
            From::Sidecar { file, .. } => Some(file),
            From::Track(_) => None,
        });
        let files = renditions.chain(sidecars).chain([&of.file]);
        files.map(|file| file.identity().modified()).max().unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

async fn open_rendition(site: &Site, path: &MediaPath) -> Option<Opened> {
    match streams::open(site, path).await {
        Ok(rendition) => Some(rendition),
        Err(error) => {
            tracing::warn!(rendition = %path.display(), %error, "left out of its title");
            None
        }
    }
}

/// A title's subtitles as manifests know them, cut where its leading track is.
pub(super) fn text_track(
    source: &TextSource,
    number: usize,
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
        prefix: String::new(),
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
