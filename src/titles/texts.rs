//! Subtitles and chapters of a title.

use std::{ops::Range, sync::Arc, time::SystemTime};

use super::{
    Error, Titles,
    manifest_cache::Product,
    media_types::{HLS, VTT},
    opened::Opened,
    readiness::Waiting,
    remux,
    short_file::read_all,
};
use crate::{
    extent::{
        Caching, File, Text,
        disk::{Identity, OpenError, Version},
    },
    library::{MediaPath, Sidecars, sidecar_name::Sidecar},
    movie::{Movie, SegmentStart},
    package::{
        chapters::{self, Chapter},
        cues, hls,
        presentation::{self, Segment, Sizes},
        text::{self, Parsed, SubtitleFormat, Subtitles, TimestampMap},
        text_track::{self, Description, HasText},
        title,
    },
    transcode::renditions::remux_description::RemuxedText,
};

/// The assumed length of a segment of subtitles in bytes: a few lines. The true length needs a read of
/// another file, and is negligible beside video and audio.
const SEGMENT_BYTES: u64 = 512;

/// The subtitles of one language.
pub struct TextSource {
    /// The version in URLs.
    pub version: Version,
    /// The origin.
    pub origin: TextOrigin,
    /// Whether manifests list the subtitles. Unlisted subtitles keep their number.
    pub is_listed: bool,
}

/// Files that a title does without, and the reasons.
pub type LeftOut = Vec<(MediaPath, String)>;

/// The origin of subtitles.
pub enum TextOrigin {
    /// A track of the title's playable file.
    Track {
        /// The file.
        file: Arc<File>,
        /// Its index.
        movie: Arc<Movie>,
        /// The place of the track.
        place: usize,
    },
    /// Subtitles of the file that the title was remuxed from, beside the remuxed movie.
    Remuxed {
        /// The file, in WebVTT.
        file: Arc<File>,
        /// The description of the file that they come from.
        text: RemuxedText,
    },
    /// A sidecar.
    Sidecar {
        /// Its path.
        path: MediaPath,
        /// The file.
        file: Arc<File>,
        /// The format.
        kind: SubtitleFormat,
        /// The description from the name.
        sidecar: Sidecar,
    },
}

/// A file in the folder of a text track.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TextFile {
    /// The media playlist.
    Playlist,
    /// A segment, from 0.
    Segment(usize),
    /// All subtitles.
    Whole,
}

/// The folder of the text track with this index.
pub fn folder(index: usize) -> String {
    format!("text-{}", index + 1)
}

/// Parses the folder of a text track into its index.
pub fn parse_folder(folder: &str) -> Option<usize> {
    let number = folder.strip_prefix("text-")?;
    let is_plain = !number.starts_with(['0', '+']);
    number.parse::<usize>().ok().filter(|_| is_plain)?.checked_sub(1)
}

/// The names of a title's sidecars; none if the folder cannot be listed.
pub async fn sidecars(titles: &Titles, title: &MediaPath) -> Result<Sidecars, Error> {
    match titles.library.sidecars(title).await {
        Err(error @ (OpenError::NotFound | OpenError::Io(_))) => {
            tracing::debug!(title = %title.display(), %error, "cannot list sidecars");
            Ok(Sidecars::default())
        }
        found => Ok(found?),
    }
}

/// Opens the subtitles of a title, in the order of their numbers, without the files that cannot be read.
pub async fn open(
    titles: &Titles,
    title: &MediaPath,
    opened: &Opened,
) -> Result<(Vec<TextSource>, LeftOut), Error> {
    let remuxed = remux::description(titles, opened).await;
    let remuxed = remuxed.map(|description| description.texts).unwrap_or_default();
    Ok(open_among(titles, opened, remuxed, sidecars(titles, title).await?).await)
}

/// Opens the subtitles of a title whose sidecars are known, and those that its remux has extracted.
pub async fn open_among(
    titles: &Titles,
    opened: &Opened,
    remuxed: Vec<RemuxedText>,
    sidecars: Sidecars,
) -> (Vec<TextSource>, LeftOut) {
    let own = |place: usize| {
        let (file, movie) = (Arc::clone(&opened.file), Arc::clone(&opened.movie));
        let origin = TextOrigin::Track { file, movie, place };
        let version = opened.version.with(text::FORMAT_VERSION);
        let is_listed = text_track::has_text(&opened.movie.tracks[place]) != HasText::No;
        TextSource { version, origin, is_listed }
    };
    let mut texts: Vec<_> = title::text_tracks(&opened.movie).map(own).collect();
    for text in remuxed {
        match remux::open_beside(titles, opened, &text.file).await {
            Ok(file) => {
                let origin = TextOrigin::Remuxed { file, text };
                texts.push(TextSource { version: opened.version, origin, is_listed: true });
            }
            Err(error) => tracing::warn!(file = text.file, %error, "cannot open remuxed subtitles"),
        }
    }
    let (beside, left_out) = open_sidecars(titles, opened.version, sidecars).await;
    texts.extend(beside);
    (texts, left_out)
}

/// Opens the subtitle files beside a title of this version.
pub async fn open_sidecars(
    titles: &Titles,
    title: Version,
    sidecars: Sidecars,
) -> (Vec<TextSource>, LeftOut) {
    let (mut texts, mut left_out) = (Vec::new(), Vec::new());
    for (path, sidecar) in sidecars.subtitles {
        match titles.file(&path, Waiting::Allowed).await {
            Ok(file) => {
                let kind = SubtitleFormat::from_name(path.file_name());
                // The segments are cut at the title's times, so the title's version is part of it.
                let version = title.and(sidecar_version(&file, kind, &sidecar));
                let origin = TextOrigin::Sidecar { path, file, kind, sidecar };
                texts.push(TextSource { version, origin, is_listed: true });
            }
            // It was removed at this moment.
            Err(Error::NotFound) => {}
            Err(error) => left_out.push((path, unreadable(&error))),
        }
    }
    (texts, left_out)
}

/// Why a file beside a title that cannot be opened is left out.
pub fn unreadable(error: &Error) -> String {
    format!("it cannot be read: {error}")
}

/// The version of the subtitles in a sidecar. Parts of its name affect their text: the format, and the
/// language, from which an old encoding is guessed.
fn sidecar_version(file: &File, kind: SubtitleFormat, sidecar: &Sidecar) -> Version {
    let version = file.identity().version().with(text::FORMAT_VERSION).with(match kind {
        SubtitleFormat::Srt => 1,
        SubtitleFormat::WebVtt => 2,
        SubtitleFormat::Ass => 3,
    });
    let language = sidecar.language.as_deref().unwrap_or_default();
    language.bytes().fold(version, |version, byte| version.with(byte.into()))
}

impl TextSource {
    /// The time of the last write to any of its files.
    fn modified(&self, title: &Opened) -> SystemTime {
        let modified = title.file.identity().modified();
        modified.max(self.key().0.modified())
    }

    /// The file that holds the subtitles, and their track in it.
    pub fn key(&self) -> (Identity, usize) {
        match &self.origin {
            TextOrigin::Track { file, place, .. } => (*file.identity(), *place),
            TextOrigin::Remuxed { file, .. } | TextOrigin::Sidecar { file, .. } => {
                (*file.identity(), 0)
            }
        }
    }

    /// The name and the flags in manifests.
    pub fn describe(&self) -> Description {
        match &self.origin {
            TextOrigin::Track { movie, place, .. } => text_track::describe(movie, *place),
            TextOrigin::Remuxed { text, .. } => describe_remuxed(text),
            TextOrigin::Sidecar { sidecar, .. } => Description {
                language: sidecar.language.clone(),
                label: sidecar.label.clone(),
                is_default: sidecar.is_default,
                roles: Vec::new(),
                text: presentation::Text {
                    forced: sidecar.forced,
                    hearing_impaired: sidecar.hearing_impaired,
                },
            },
        }
    }

    /// The track with this index in manifests, cut at the times of the title's leading track.
    pub fn track(
        &self,
        index: usize,
        prefix: &str,
        leading: &presentation::Track,
    ) -> presentation::Track {
        let Description { language, label, is_default, roles, text } = self.describe();
        presentation::Track {
            prefix: prefix.to_owned(),
            version: self.version.to_string(),
            folder: folder(index),
            codecs: String::new(),
            timescale: leading.timescale,
            language,
            label,
            is_default,
            roles,
            segments: leading
                .segments
                .iter()
                .map(|segment| Segment { bytes: SEGMENT_BYTES, ..*segment })
                .collect(),
            sizes: Sizes::Exact,
            begins: SegmentStart::Independent,
            target_duration_min_s: 0,
            protection: None,
            kind: presentation::Kind::Text(text),
        }
    }
}

/// A file of a title's text track.
pub async fn file(
    titles: &Titles,
    title: &MediaPath,
    opened: &Opened,
    version: &str,
    (index, file): (usize, TextFile),
) -> Result<Text, Error> {
    let (sources, _) = open(titles, title, opened).await?;
    let source = sources.get(index).ok_or(Error::NotFound)?;
    if version != source.version.to_string() {
        return Err(Error::NotFound);
    }
    let presentation = title::presentation(&opened.movie, "", opened.version);
    let leading =
        presentation.tracks.first().ok_or_else(|| super::segments::unsupported(&opened.movie))?;
    let (media_type, bytes) = match file {
        TextFile::Playlist => (HLS, hls::media(&source.track(index, "", leading))),
        TextFile::Segment(segment) => {
            let range_ms = range_ms(leading, segment).ok_or(Error::NotFound)?;
            let subtitles = subtitles(titles, source).await?;
            (VTT, text::format_segment(&subtitles, range_ms, TimestampMap::default()))
        }
        TextFile::Whole => (VTT, text::format_file(&*subtitles(titles, source).await?)),
    };
    let mut text = Text::new(bytes, media_type, Caching::Immutable);
    text.last_modified = Some(source.modified(opened));
    Ok(text)
}

/// The chapters of a title, as WebVTT; without any it has no cue.
pub async fn chapters(titles: &Titles, opened: &Opened) -> Result<Text, Error> {
    let identity = *opened.file.identity();
    let make = async {
        let duration_ms = title::duration_ms(&opened.movie);
        let chapters = read_chapters(opened).await?;
        let text = text::format_file(&chapters::cues(&chapters, duration_ms));
        Ok(Text::kept(text, VTT, Caching::File, Some(identity.modified())))
    };
    titles.cache.text(identity, Product::Chapters, Waiting::Allowed, make).await
}

/// Reads the chapters of a title.
pub async fn read_chapters(opened: &Opened) -> Result<Vec<Chapter>, Error> {
    if opened.movie.chapters.is_none() {
        return Ok(Vec::new());
    }
    let movie = Arc::clone(&opened.movie);
    let reading = opened.file.compute(move |open| {
        let read = chapters::read(&movie, &open.blocking_reader())?;
        open.check().map(|()| read)
    });
    Ok(reading.await??)
}

/// The time of a segment's cues in milliseconds: the first segment begins with the title, and the last has
/// all remaining cues.
fn range_ms(leading: &presentation::Track, segment: usize) -> Option<Range<u64>> {
    let start = leading.segments.get(segment)?.start;
    let ms = |ticks: u64| cues::in_ms(i64::try_from(ticks).unwrap_or(i64::MAX), leading.timescale);
    let end = leading.segments.get(segment + 1).map_or(u64::MAX, |next| ms(next.start));
    Some(if segment == 0 { 0 } else { ms(start) }..end)
}

/// The cues of a source, from the cache or from the file. A file without valid ones is read once.
pub async fn subtitles(titles: &Titles, source: &TextSource) -> Result<Arc<Subtitles>, Error> {
    let (identity, track) = source.key();
    let cues = match titles.cache.subtitles(&identity, track) {
        Some(cached) => cached,
        None => {
            let cues = match read_cues(titles, source).await {
                Ok(subtitles) => Ok(Arc::new(subtitles)),
                Err(Error::Unprocessable(why)) => Err(why.into()),
                Err(error) => return Err(error),
            };
            titles.cache.keep_subtitles(identity, track, cues)
        }
    };
    cues.map_err(|why: Arc<str>| Error::Unprocessable(why.to_string()))
}

async fn read_cues(titles: &Titles, source: &TextSource) -> Result<Subtitles, Error> {
    match &source.origin {
        TextOrigin::Track { file, movie, place } => {
            let (movie, place) = (Arc::clone(movie), *place);
            let reading = file.compute(move |open| {
                let read = cues::read(&movie.tracks[place], &open.blocking_reader())?;
                open.check().map(|()| read)
            });
            Ok(reading.await??)
        }
        TextOrigin::Remuxed { file, .. } => {
            read_file(titles, file, SubtitleFormat::WebVtt, None).await
        }
        TextOrigin::Sidecar { file, kind, sidecar, .. } => {
            read_file(titles, file, *kind, sidecar.language.clone()).await
        }
    }
}

/// Describes subtitles that a remux has extracted.
fn describe_remuxed(remuxed: &RemuxedText) -> Description {
    let language = remuxed.language.as_deref().map(title::parse_language);
    let text = presentation::Text {
        forced: remuxed.is_forced,
        hearing_impaired: remuxed.is_hearing_impaired,
    };
    let label = text_track::label(remuxed.name.as_deref(), language.as_deref(), text);
    Description { language, label, is_default: remuxed.is_default, roles: Vec::new(), text }
}

/// Reads a file of subtitles.
async fn read_file(
    titles: &Titles,
    file: &Arc<File>,
    format: SubtitleFormat,
    language: Option<String>,
) -> Result<Subtitles, Error> {
    if file.identity().size > text::FILE_BYTES_MAX as u64 {
        return Err(Error::Unprocessable("the subtitles are too long".to_owned()));
    }
    let bytes = read_all(file).await?;
    let parse = move || text::parse(&bytes, format, language.as_deref());
    let parsed = titles.background.spawn_blocking_limited(parse).await?;
    let parsed = parsed.map_err(|refused| Error::Unprocessable(refused.to_string()))?;
    check_cues(&parsed)?;
    Ok(parsed.subtitles)
}

/// Fails for a file none of whose cues is valid.
fn check_cues(parsed: &Parsed) -> Result<(), Error> {
    match parsed.faults.first {
        Some((line, fault)) if parsed.subtitles.cues().is_empty() => Err(Error::Unprocessable(
            format!("the subtitles have no valid cue: in line {line}, {fault}"),
        )),
        _ => Ok(()),
    }
}

/// Reads the sidecars of subtitles and the short text tracks, and unlists those without a cue: a player
/// that gets an error for listed subtitles may give up the title, and a viewer who selects empty ones
/// waits for nothing.
///
/// A sidecar that cannot be read at the moment stays listed: manifests are cached for longer than that.
pub async fn unlist_invalid(titles: &Titles, title: &MediaPath, texts: &mut [TextSource]) {
    for (index, source) in texts.iter_mut().enumerate().filter(|(_, source)| source.is_listed) {
        if let Some(why) = why_invalid(titles, source).await {
            let (title, number) = (title.display(), index + 1);
            tracing::warn!(title, number, why, "invalid subtitles left out of their title");
            source.is_listed = false;
        }
    }
}

/// Why subtitles have no cue to show; `None` if they have one, or cannot be read at the moment.
pub async fn why_invalid(titles: &Titles, source: &TextSource) -> Option<String> {
    let is_in_doubt = match &source.origin {
        TextOrigin::Track { movie, place, .. } => {
            text_track::has_text(&movie.tracks[*place]) == HasText::Unknown
        }
        TextOrigin::Remuxed { .. } | TextOrigin::Sidecar { .. } => true,
    };
    if !is_in_doubt {
        return None;
    }
    match subtitles(titles, source).await {
        Ok(subtitles) => subtitles.cues().is_empty().then(|| "it has no cue".to_owned()),
        Err(Error::Unprocessable(why)) => Some(why),
        Err(_) => None,
    }
}
