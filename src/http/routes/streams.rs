//! `/v/<title>/…`: what is made of a title while it is asked for.

use std::{sync::Arc, time::Instant};

use actix_web::{HttpRequest, HttpResponse, ResponseError as _, http::StatusCode, web::Data};

use super::{Read, inspect, pictures, progressive, read_method, texts};
use crate::titles::opened::GROWING;
use crate::titles::{
    assets::TitleAssets,
    job_tracks::{self, MadeTrack},
    opened::{self, Opened, index, version_of},
    remux::{self, Asking},
};
use crate::{
    extent::{Caching, Content, Extent, Extents, ReadAt, ReadError, Source, Validator},
    http::{
        Error, Site, cors, extents_view,
        fields::reading,
        respond::{self, Answer, respond},
        text_response::{Text, answer_text, respond_text},
        urls::{Derived, TrackFile, View},
    },
    library::MediaPath,
    movie::{Movie, Track},
    package::{cmaf, dash, hls, title},
    titles::manifest_cache::Product,
    wire::http1::{RequestHead, ResponseHead},
};

/// Types of segments (ISO/IEC 23000-19 section 7.3; HTTP.md, C2).
const VIDEO: &str = "video/mp4";
const AUDIO: &str = "audio/mp4";
pub(super) const HLS: &str = "application/vnd.apple.mpegurl";
const DASH: &str = "application/dash+xml";

/// The most samples of a segment that is made by an I/O worker, in some hundred microseconds.
const AT_ONCE_SAMPLES_MAX: u32 = 8192;

/// Answers in front of the App, if this is a GET or HEAD of what can be made at once of a title that is
/// open, indexed and in memory already: most of what players ask for. Whatever else there is to say
/// falls through to [`serve`].
pub fn answer_now(
    request: &RequestHead<'_>,
    site: &Site,
    head: &mut ResponseHead<'_>,
) -> Option<(StatusCode, Answer)> {
    let method = reading(request.method)?;
    let encoded = request.target.strip_prefix("/v/")?;
    if encoded.contains(['?', '#']) {
        return None;
    }
    let Derived { title, view } = Derived::parse(encoded)?.ok()?;
    if !matches!(view, View::Track { .. } | View::Progressive) {
        return None;
    }
    let begun = Instant::now();
    let file = site.library.open_now(&title)?;
    if file.has_grown_within(GROWING) {
        return None;
    }
    let opened = match site.library.indices.get(&file)? {
        Ok(movie) => Opened::new(file, movie, site, begun),
        Err(_) => {
            let source = version_of(&file, site);
            let (file, movie) = remux::open_now(site, &title, source)?;
            Opened { source, ..Opened::new(file, movie, site, begun) }
        }
    };
    let settings = site.settings.load();
    let answer = match made_now(&opened, site, view)? {
        Now::Text(text) => answer_text(&method, request, &settings, text, head)?,
        Now::Content(content) => respond::answer(&method, request, &settings, content, head),
    };
    cors::decorate(request, &settings.cors_origins, head);
    opened.timing.put(head);
    Some(answer)
}

/// What was made without waiting.
enum Now {
    Content(Content),
    Text(Text),
}

fn made_now(opened: &Opened, site: &Site, view: View<'_>) -> Option<Now> {
    let View::Track { version, track: folder, file } = view else {
        return progressive::whole_now(site, opened).map(Now::Content);
    };
    if let Some(made) = MadeTrack::parse(folder) {
        let opened = made.open_now(site, opened)?;
        return made_now(&opened, site, View::Track { version, track: made.folder(), file });
    }
    if version != opened.version.to_string() {
        return None;
    }
    let product = match file {
        TrackFile::Media => Some(Product::Media(folder.into())),
        TrackFile::IFrames => Some(Product::IFrames(folder.into())),
        _ => None,
    };
    if let Some(product) = product {
        return site.made.text_now(*opened.file.identity(), product).map(Now::Text);
    }
    let track = title::track_of(&opened.movie, folder)?;
    if is_long(track, file) {
        return None;
    }
    let source: Arc<dyn Source> = Arc::clone(&opened.file) as _;
    let reader = opened.file.nonblocking_reader();
    let extents = make_track_file(&opened.movie, track, file, &source, &reader).ok()??;
    Some(Now::Content(content(opened, track, folder, file, extents)))
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
    let begun = Instant::now();
    let indexed = index(site, &title).await;
    let set_product: Option<fn(u64) -> Product> = match view {
        View::Multivariant => Some(Product::Multivariant),
        View::Mpd => Some(Product::Mpd),
        _ => None,
    };
    if let (Err(Error::NotFound), Some(product)) = (&indexed, set_product)
        && let Some((opened, company)) = TitleAssets::of_set(site, &title).await?
    {
        method?;
        return manifest(request, site, &title, &opened, company, product).await;
    }
    // What is not there is 404, whatever is asked of it.
    if !matches!(indexed, Err(Error::NotFound)) {
        method?;
    }
    let (file, index) = indexed?;
    if view == View::Inspect && index.is_err() {
        // What is no movie has a report, too.
        return inspect::answer(request, site, file, index).await;
    }
    let asking = if view.is_picture() { Asking::Looks } else { Asking::Begins };
    let opened = opened::opened(site, &title, (file, index), asking, begun).await?;
    let mut response = make(request, site, &title, &opened, view).await?;
    opened.timing.put(&mut response);
    Ok(response)
}

async fn make(
    request: &HttpRequest,
    site: &Data<Site>,
    title: &MediaPath,
    opened: &Opened,
    view: View<'_>,
) -> Result<HttpResponse, Error> {
    match view {
        View::Multivariant | View::Mpd => {
            let is_hls = view == View::Multivariant;
            let product = if is_hls { Product::Multivariant } else { Product::Mpd };
            job_tracks::have_it_heard(site, title, opened);
            let company = TitleAssets::of(site, title, opened, request.uri().path()).await?;
            manifest(request, site, title, opened, company, product).await
        }
        View::Progressive => progressive::play(request, site, opened).await,
        View::Chapters => texts::chapters(request, site, opened).await,
        View::Poster
        | View::Thumbnail(_)
        | View::Storyboard(_)
        | View::Preview
        | View::Track { track: "storyboard", .. } => {
            pictures::serve(request, site, title, opened, view).await
        }
        View::Inspect => {
            let (file, movie) = (Arc::clone(&opened.file), Arc::clone(&opened.movie));
            inspect::answer(request, site, file, Ok(movie)).await
        }
        View::Track { version, track, file } => {
            if let Some(number) = texts::number_of(track) {
                return texts::serve(request, site, title, opened, (version, number, file)).await;
            }
            let made;
            let title = opened;
            let (opened, track) = match MadeTrack::parse(track) {
                Some(track) => {
                    made = track.open(site, title).await?;
                    (&made, track.folder())
                }
                None => (title, track),
            };
            if version != opened.version.to_string() {
                return Err(Error::NotFound);
            }
            let of = title::track_of(&opened.movie, track).ok_or(Error::NotFound)?;
            match file {
                TrackFile::Media => {
                    playlist(request, site, title, opened, Product::Media(track.into())).await
                }
                TrackFile::IFrames => {
                    playlist(request, site, title, opened, Product::IFrames(track.into())).await
                }
                _ => {
                    let extents = track_file(opened, of, file).await?.ok_or(Error::NotFound)?;
                    let content = content(opened, of, track, file, extents);
                    send(request, site, content).await
                }
            }
        }
    }
}

/// Answers with a content, or with its layout if that is what is wanted.
pub(super) async fn send(
    request: &HttpRequest,
    site: &Site,
    content: Content,
) -> Result<HttpResponse, Error> {
    if extents_view::is_wanted(request) {
        return extents_view::respond(request, site, content).await;
    }
    Ok(respond(request, &site.settings.load(), content))
}

/// The multivariant playlist or the MPD, from the cache or made now.
async fn manifest(
    request: &HttpRequest,
    site: &Data<Site>,
    title: &MediaPath,
    opened: &Opened,
    mut company: TitleAssets,
    product: fn(u64) -> Product,
) -> Result<HttpResponse, Error> {
    let product = product(company.digest());
    let is_hls = matches!(product, Product::Multivariant(_));
    let make = async {
        company.tell_what_is_left_out();
        texts::leave_out_nonsense(site, title, opened, &mut company).await;
        let name = String::from_utf8_lossy(title.file_name()).into_owned();
        let opened = opened.clone();
        let made = site.spawn_blocking_limited(move || {
            let presentation = texts::presentation(&opened, &name, &company);
            if presentation.tracks.is_empty() {
                return Err(refused(&opened.movie));
            }
            let write = if is_hls { hls::multivariant } else { dash::manifest };
            Ok(write(&presentation))
        });
        let media_type = if is_hls { HLS } else { DASH };
        // No date: what is taken away, or put there as it was kept elsewhere, makes none later.
        Ok(Text::kept(made.await??, media_type, Caching::Manifest, None))
    };
    let text = site.made.text(*opened.file.identity(), product, make).await?;
    respond_text(request, site, text).await
}

/// A playlist of one track of a title, or of what was made of that, from the cache or made now.
async fn playlist(
    request: &HttpRequest,
    site: &Data<Site>,
    title: &Opened,
    opened: &Opened,
    product: Product,
) -> Result<HttpResponse, Error> {
    let identity = *opened.file.identity();
    let make = async {
        let (title, opened, made) = (title.clone(), opened.clone(), product.clone());
        let made =
            site.spawn_blocking_limited(move || make_playlist(&title, &opened, &made)).await?;
        let made = made.ok_or(Error::NotFound)?;
        Ok(Text::kept(made, HLS, Caching::Immutable, Some(identity.modified())))
    };
    let text = site.made.text(identity, product.clone(), make).await?;
    respond_text(request, site, text).await
}

/// `None` if there is nothing to make it of.
fn make_playlist(title: &Opened, opened: &Opened, product: &Product) -> Option<String> {
    let mut presentation = title::presentation(&opened.movie, "", opened.version);
    if !Arc::ptr_eq(&title.movie, &opened.movie) {
        // All of a title have one target duration (RFC 8216bis section 6.2.4).
        let of_title = title::presentation(&title.movie, "", title.version);
        let longest = of_title.tracks.iter().map(|track| track.target_duration_s()).max();
        for track in &mut presentation.tracks {
            track.target_duration_min_s = track.target_duration_min_s.max(longest.unwrap_or(0));
        }
    }
    let track = |folder: &String| presentation.tracks.iter().find(|track| track.folder == *folder);
    match product {
        Product::Media(folder) => track(folder).map(hls::media),
        Product::IFrames(folder) => track(folder).and_then(hls::iframes),
        _ => None,
    }
}

/// Why nothing of a movie can be offered as segments.
pub(super) fn refused(movie: &Movie) -> Error {
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
    if !is_long(track, file) {
        match make_track_file(
            &opened.movie,
            track,
            file,
            &source,
            &opened.file.nonblocking_reader(),
        ) {
            Err(error) if error.would_wait() => {}
            made => return Ok(made?),
        }
    }
    let movie = Arc::clone(&opened.movie);
    // By itself and not by its identifier, which several tracks of a broken file can have.
    let place = movie.tracks.iter().position(|other| std::ptr::eq(other, track));
    let made = opened.file.run_in_pool(move |open| {
        let track = &movie.tracks[place.expect("it is one of these")];
        make_track_file(&movie, track, file, &source, &open.blocking_reader())
    });
    Ok(made.await.map_err(ReadError::from)??)
}

/// Whether it takes longer to write a segment's header than an I/O worker has time for.
fn is_long(track: &Track, file: TrackFile) -> bool {
    let (TrackFile::Segment(number) | TrackFile::IFrame(number)) = file else {
        return false;
    };
    let Some(segment) = track.index.segments.get(number) else {
        return false;
    };
    let end = track.segment_end(number).unwrap_or(segment.first_sample);
    let samples = end.saturating_sub(segment.first_sample);
    samples.saturating_add(segment.samples_before()) > AT_ONCE_SAMPLES_MAX
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
            Ok(Some(Extents::from(Extent::Memory(init.into()))))
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
