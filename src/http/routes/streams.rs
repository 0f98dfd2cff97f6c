//! `/v/<title>/…`: what is made of a title while it is asked for.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web::Data};
use bytes::Bytes;

use super::{Read, progressive, read_method};
use crate::{
    extent::{
        Caching, Content, Extent, Extents, ReadAt, ReadError, Source, Validator,
        disk::{File, Version},
    },
    http::{
        Error, Site, cors,
        derived::{Derived, TrackFile, View},
        made::Product,
        respond::respond,
        text::{Text, respond_text},
    },
    library::Index,
    movie::{Movie, Track},
    package::{cmaf, dash, hls, title},
};

/// Types of segments (ISO/IEC 23000-19 section 7.3; HTTP.md, C2).
const VIDEO: &str = "video/mp4";
const AUDIO: &str = "audio/mp4";
const HLS: &str = "application/vnd.apple.mpegurl";
const DASH: &str = "application/dash+xml";

/// A title that was opened, with its index.
pub(super) struct Opened {
    pub(super) file: Arc<File>,
    pub(super) movie: Arc<Movie>,
    /// Names what is made of it.
    pub(super) version: Version,
}

/// Answers every method.
pub async fn serve(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let answer = answer(&request, &site).await;
    let mut response = answer.unwrap_or_else(|error| error.error_response());
    let settings = site.settings.load();
    super::remember_not_found(&settings, &mut response);
    cors::decorate(request.headers(), &settings.cors_origins, &mut response);
    response
}

async fn answer(request: &HttpRequest, site: &Data<Site>) -> Result<HttpResponse, Error> {
    let method = read_method(request.method());
    if let Ok(Read::Options) = method {
        return Ok(cors::options(request));
    }
    let encoded = request.uri().path().strip_prefix("/v/").ok_or(Error::NotFound)?;
    let Derived { title, view } = Derived::parse(encoded).ok_or(Error::NotFound)??;
    let file = site.library.open(&title).await?;
    method?;
    let opened = open(site, file).await?;
    let name = || String::from_utf8_lossy(title.file_name()).into_owned();
    match view {
        View::Multivariant => manifest(request, site, &opened, Product::Multivariant, name).await,
        View::Mpd => manifest(request, site, &opened, Product::Mpd, name).await,
        View::Progressive => progressive::play(request, site, &opened).await,
        View::Inspect => Err(Error::NotFound),
        View::Track { version, track, file } => {
            if version != opened.version.to_string() {
                return Err(Error::NotFound);
            }
            let of = title::track_of(&opened.movie, track).ok_or(Error::NotFound)?;
            let kind = match file {
                TrackFile::Media => Product::Media(track.to_owned()),
                TrackFile::IFrames => Product::IFrames(track.to_owned()),
                _ => {
                    let extents = track_file(&opened, of, file).await?.ok_or(Error::NotFound)?;
                    let content = content(&opened, of, track, file, extents);
                    return Ok(respond(request, &site.settings.load(), content));
                }
            };
            manifest(request, site, &opened, kind, name).await
        }
    }
}

/// The index of an open file, or why it has none.
async fn open(site: &Site, file: Arc<File>) -> Result<Opened, Error> {
    if file.has_grown_within(super::GROWING) {
        return Err(Error::Growing);
    }
    let cache = &site.library.indices;
    let index: Index = match cache.get(&file) {
        Some(index) => index,
        None => cache.index(&file).await?,
    };
    let movie = index.map_err(|refused| Error::Unprocessable(refused.to_string()))?;
    let version = title::version(file.identity().version(), cache.grid_ms().get());
    Ok(Opened { file, movie, version })
}

/// A playlist or an MPD, from the cache or made now.
async fn manifest(
    request: &HttpRequest,
    site: &Data<Site>,
    opened: &Opened,
    kind: Product,
    title: impl FnOnce() -> String,
) -> Result<HttpResponse, Error> {
    let (media_type, caching) = match kind {
        Product::Multivariant => (HLS, Caching::Manifest),
        Product::Mpd => (DASH, Caching::Manifest),
        Product::Media(_) | Product::IFrames(_) => (HLS, Caching::Immutable),
    };
    let identity = *opened.file.identity();
    let bytes = match site.made.text(&identity, &kind) {
        Some(bytes) => bytes,
        None => {
            let (movie, version, title) = (Arc::clone(&opened.movie), opened.version, title());
            let made = kind.clone();
            let text = site.run_beside(move || make_manifest(&movie, version, &title, &made));
            let text = text.await?.ok_or_else(|| refused(&opened.movie))?;
            let text = Bytes::from(text);
            site.made.keep_text(identity, kind, text.clone());
            text
        }
    };
    let mut text = Text::made(bytes, media_type, caching);
    text.last_modified = Some(identity.modified());
    respond_text(request, site, text).await
}

/// `None` if there is nothing to make it of.
fn make_manifest(movie: &Movie, version: Version, title: &str, kind: &Product) -> Option<String> {
    let presentation = title::presentation(movie, title, version);
    let track = |folder: &String| presentation.tracks.iter().find(|track| track.folder == *folder);
    match kind {
        _ if presentation.tracks.is_empty() => None,
        Product::Multivariant => Some(hls::multivariant(&presentation)),
        Product::Mpd => Some(dash::manifest(&presentation)),
        Product::Media(folder) => track(folder).map(hls::media),
        Product::IFrames(folder) => track(folder).and_then(hls::iframes),
    }
}

/// Why nothing of a movie can be offered as segments.
fn refused(movie: &Movie) -> Error {
    let why = |track: &Track| {
        let why = track.entry.packageable().err()?;
        Some(format!("track {}: {why}", track.id))
    };
    let offered = movie.tracks.iter().filter_map(why);
    let left_out = movie.left_out.iter().map(|track| format!("track {}: {}", track.id, track.why));
    let reasons: Vec<String> = offered.chain(left_out).collect();
    if reasons.is_empty() {
        // All are fine, so what was asked for is something else.
        return Error::NotFound;
    }
    Error::Unprocessable(format!("no track can be sent in segments: {}", reasons.join("; ")))
}

/// A file of a track: made at once if the tables are in memory, else where they can be waited for.
async fn track_file(
    opened: &Opened,
    track: &Track,
    file: TrackFile,
) -> Result<Option<Extents>, Error> {
    let source: Arc<dyn Source> = Arc::clone(&opened.file) as _;
    match make_track_file(&opened.movie, track, file, &source, &opened.file.at_once()) {
        Err(error) if error.would_wait() => {}
        made => return Ok(made?),
    }
    let movie = Arc::clone(&opened.movie);
    // By itself and not by its identifier, which several tracks of a broken file can have.
    let place = movie.tracks.iter().position(|other| std::ptr::eq(other, track));
    let made = opened.file.in_lane(move |open| {
        let track = &movie.tracks[place.expect("it is one of these")];
        make_track_file(&movie, track, file, &source, &open.in_turn())
    });
    Ok(made.await.map_err(ReadError::from)??)
}

fn make_track_file<R: ReadAt + ?Sized>(
    movie: &Movie,
    track: &Track,
    file: TrackFile,
    source: &Arc<dyn Source>,
    reader: &R,
) -> Result<Option<Extents>, ReadError> {
    match file {
        TrackFile::Init => {
            let init = cmaf::init(track, &movie.protection);
            Ok(Some(Extents::of(Extent::Memory(init.into()))))
        }
        TrackFile::Segment(number) => cmaf::segment(track, number, source, reader),
        TrackFile::IFrame(number) if track.is_video() => {
            cmaf::iframe(track, number, source, reader)
        }
        _ => Ok(None),
    }
}

fn content(
    opened: &Opened,
    track: &Track,
    folder: &str,
    file: TrackFile,
    extents: Extents,
) -> Content {
    let version = opened.version;
    let tag = match file {
        TrackFile::Segment(number) => format!("{version}-{folder}-{}", number + 1),
        TrackFile::IFrame(number) => format!("{version}-{folder}-i-{}", number + 1),
        _ => format!("{version}-{folder}-init"),
    };
    Content {
        extents,
        validator: Some(Validator::new(&tag)),
        last_modified: Some(opened.file.identity().modified()),
        media_type: if track.is_video() { VIDEO } else { AUDIO },
        caching: Caching::Immutable,
    }
}
