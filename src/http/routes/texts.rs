//! `/v/<title>/~<version>/text-<n>/…`: subtitles, as WebVTT.

use std::{ops::Range, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::{files, streams};
use crate::titles::{
    assets::{self, From, Rendition, Sound, TextSource, TitleAssets, text_track},
    opened::Opened,
};
use crate::{
    extent::{Caching, ReadError},
    http::{
        Error, Site,
        text_response::{Text, respond_text},
        urls::TrackFile,
    },
    library::MediaPath,
    package::{
        chapters, cues, hls,
        presentation::{Presentation, Track},
        text::{self, Subtitles, TimestampMap},
        title,
    },
    titles::manifest_cache::Product,
};

pub(super) const VTT: &str = "text/vtt; charset=utf-8";

/// The number in a folder's name, if it is one of subtitles.
pub(super) fn number_of(folder: &str) -> Option<usize> {
    let number = folder.strip_prefix("text-")?;
    let is_plain = !number.starts_with(['0', '+']);
    number.parse::<usize>().ok().filter(|_| is_plain)?.checked_sub(1)
}

/// Answers for a file of a track of subtitles.
pub(super) async fn serve(
    request: &HttpRequest,
    site: &Data<Site>,
    title: &MediaPath,
    opened: &Opened,
    (version, number, file): (&str, usize, TrackFile),
) -> Result<HttpResponse, Error> {
    let texts = assets::texts(site, title, opened).await?;
    let source = texts.get(number).ok_or(Error::NotFound)?;
    if version != source.version.to_string() {
        return Err(Error::NotFound);
    }
    let presentation = title::presentation(&opened.movie, "", opened.version);
    let leading = presentation.tracks.first().ok_or_else(|| streams::refused(&opened.movie))?;
    let (media_type, text) = match file {
        TrackFile::Media => {
            let track = text_track(source, number, "", &opened.movie.tracks, leading);
            (streams::HLS, hls::media(&track))
        }
        TrackFile::Text(segment) => {
            let range_ms = range_ms(leading, segment).ok_or(Error::NotFound)?;
            let subtitles = subtitles(site, opened, source).await?;
            (VTT, text::format_segment(&subtitles, range_ms, TimestampMap::default()))
        }
        TrackFile::AllText => {
            let subtitles = subtitles(site, opened, source).await?;
            (VTT, text::format_file(&subtitles))
        }
        _ => return Err(Error::NotFound),
    };
    let mut text = Text::made(text, media_type, Caching::Immutable);
    text.last_modified = Some(source.modified(opened));
    respond_text(request, site, text).await
}

/// Answers with the chapters of a title, as WebVTT; one without has none, and no such file.
pub(super) async fn chapters(
    request: &HttpRequest,
    site: &Data<Site>,
    opened: &Opened,
) -> Result<HttpResponse, Error> {
    if opened.movie.chapters.is_none() {
        return Err(Error::NotFound);
    }
    let identity = *opened.file.identity();
    let make = async {
        let movie = Arc::clone(&opened.movie);
        let duration_ms = title::presentation(&movie, "", opened.version).duration_us / 1000;
        let read = opened.file.run_in_pool(move |open| {
            let read = chapters::read(&movie, &open.blocking_reader())?;
            open.check().map(|()| read)
        });
        let chapters = read.await.map_err(ReadError::from)??;
        let text = text::format_file(&chapters::cues(&chapters, duration_ms));
        Ok(Text::kept(text, VTT, Caching::File, Some(identity.modified())))
    };
    let text = site.made.text(identity, Product::Chapters, make).await?;
    respond_text(request, site, text).await
}

/// Which cues a segment has, in milliseconds: the first begins with the title, and the last has all
/// that are left.
fn range_ms(leading: &Track, segment: usize) -> Option<Range<u64>> {
    let start = leading.segments.get(segment)?.start;
    let ms = |ticks: u64| cues::in_ms(i64::try_from(ticks).unwrap_or(i64::MAX), leading.timescale);
    let end = leading.segments.get(segment + 1).map_or(u64::MAX, |next| ms(next.start));
    Some(if segment == 0 { 0 } else { ms(start) }..end)
}

/// The cues of a source, from the cache or read now.
async fn subtitles(
    site: &Site,
    opened: &Opened,
    source: &TextSource,
) -> Result<Arc<Subtitles>, Error> {
    let (identity, track) = match &source.from {
        From::Track(place) => (*opened.file.identity(), *place),
        From::Sidecar { file, .. } => (*file.identity(), 0),
    };
    if let Some(kept) = site.made.subtitles(&identity, track) {
        return Ok(kept);
    }
    let read = match &source.from {
        From::Track(place) => {
            let (movie, place) = (Arc::clone(&opened.movie), *place);
            let read = opened.file.run_in_pool(move |open| {
                let read = cues::read(&movie.tracks[place], &open.blocking_reader())?;
                open.check().map(|()| read)
            });
            read.await.map_err(ReadError::from)??
        }
        From::Sidecar { file, kind, sidecar } => {
            if file.identity().size > text::FILE_BYTES_MAX as u64 {
                return Err(Error::Unprocessable("the subtitles are too long".to_owned()));
            }
            let bytes = files::read_all(file).await?;
            let (kind, language) = (*kind, sidecar.language.clone());
            let parsed = move || text::parse(&bytes, kind, language.as_deref());
            let parsed = site.spawn_blocking_limited(parsed).await?;
            parsed.map_err(|refused| Error::Unprocessable(refused.to_string()))?
        }
    };
    Ok(site.made.keep_subtitles(identity, track, Arc::new(read)))
}

/// A title's presentation with all that belongs to it.
pub(super) fn presentation(opened: &Opened, name: &str, company: &TitleAssets) -> Presentation {
    let mut presentation = title::presentation(&opened.movie, name, opened.version);
    for track in &mut presentation.tracks {
        track.prefix.clone_from(&company.prefix);
    }
    let has = |is: fn(&Track) -> bool| presentation.tracks.iter().any(is);
    let has_pictures = has(|track| track.video().is_some());
    let has_sound = has(|track| track.audio().is_some());
    for Rendition { prefix, folder, opened } in &company.renditions {
        let of = title::presentation(&opened.movie, name, opened.version);
        if !has_pictures {
            last_with(&mut presentation, &of);
        }
        let pictures = of.tracks.into_iter().find(|track| track.video().is_some());
        presentation.tracks.extend(pictures.map(|track| Track {
            prefix: prefix.clone(),
            folder: folder.clone().unwrap_or_else(|| track.folder.clone()),
            ..track
        }));
    }
    for Sound { folder, place, opened: made } in &company.sounds {
        let of = title::presentation(&made.movie, name, made.version);
        if !has_sound {
            last_with(&mut presentation, &of);
        }
        presentation.tracks.extend(of.tracks.into_iter().next().map(|track| Track {
            prefix: company.prefix.clone(),
            folder: folder.clone(),
            ..title::made_of(&opened.movie, *place, track)
        }));
    }
    presentation.storyboard.clone_from(&company.storyboard);
    let Some(leading) = presentation.tracks.first().cloned() else {
        return presentation;
    };
    for (number, source) in company.texts.iter().enumerate().filter(|(_, text)| text.is_listed) {
        let (prefix, tracks) = (&company.prefix, &opened.movie.tracks);
        presentation.tracks.push(text_track(source, number, prefix, tracks, &leading));
    }
    presentation
}

/// Has a presentation begin and end with what takes the place of its own, which cannot be sent.
fn last_with(presentation: &mut Presentation, other: &Presentation) {
    presentation.duration_us = presentation.duration_us.max(other.duration_us);
    presentation.start_us = match presentation.start_us {
        _ if presentation.tracks.is_empty() => other.start_us,
        own => own.zip(other.start_us).map(|(own, other)| own.min(other)),
    };
}

/// Reads the files of subtitles, and takes those that hold none off the list: a player that is promised
/// subtitles and gets a refusal may give up the title.
///
/// What cannot be read at the moment stays on it: manifests are kept, and moments pass.
pub(super) async fn leave_out_nonsense(
    site: &Site,
    title: &MediaPath,
    opened: &Opened,
    company: &mut TitleAssets,
) {
    for (number, source) in company.texts.iter_mut().enumerate() {
        if matches!(source.from, From::Sidecar { .. })
            && let Err(Error::Unprocessable(why)) = subtitles(site, opened, source).await
        {
            let (title, number) = (title.display(), number + 1);
            tracing::warn!(title, number, why, "a file of subtitles is left out of its title");
            source.is_listed = false;
        }
    }
}
