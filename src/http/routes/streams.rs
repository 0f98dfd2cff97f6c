//! `/v/<title>/…`: a title packaged on request.

use std::{sync::Arc, time::Instant};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, LOCATION},
    },
    web::Data,
};
use serde_json::json;

use super::{Read, finish, images, read_method};
use crate::{
    extent::{File, Text},
    http::{
        Error, Site, authorization, cors,
        fields::{RequestFields, ResponseFields, parse_get_or_head},
        hosts,
        query::Query,
        resource::Resource,
        respond::ResponseBody,
        server_timing,
        urls::{TitleUrl, TrackFile, View},
    },
    library::{Index, MediaPath},
    package::title,
    queue::JobId,
    titles::{
        self, Titles,
        assets::TitleAssets,
        facts, inspection,
        job_tracks::{self, JobTrack},
        manifest_cache::Product,
        manifests::{self, ManifestFormat},
        opened::{Opened, Timing},
        progressive::{self, Selection},
        readiness::{Waiting, if_ready},
        remux::{self, RemuxStart},
        required_tracks::{self, Required},
        segments,
        sets::{Member, Set},
        text_files,
        texts::{self, TextFile},
    },
};

/// A GET or HEAD of a view.
struct ViewRequest<'a> {
    url: TitleUrl<'a>,
    /// The encoded path.
    path: &'a str,
    query: Query<'a>,
    /// What a manifest must have.
    required: Required,
    waiting: Waiting,
}

/// Responds to every method.
pub async fn serve(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    finish(&request, &site, respond_to(&request, &site).await)
}

/// The response to a request whose title a job prepares.
fn accepted(job: JobId) -> HttpResponse {
    HttpResponse::Accepted()
        .insert_header((LOCATION, format!("/api/jobs/{job}")))
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({ "job": job.to_string() }))
}

/// Responds in front of the App to a GET or HEAD of a resource that is ready: the title is open, indexed and
/// in memory already, as for most requests of players. [`serve`] handles all others.
pub fn respond_if_ready(
    request: &impl RequestFields,
    site: &Site,
    head: &mut impl ResponseFields,
) -> Option<(StatusCode, ResponseBody)> {
    let method = parse_get_or_head(request.method())?;
    let path = request.target();
    let encoded = path.strip_prefix("/v/")?;
    if encoded.contains(['?', '#']) {
        return None;
    }
    let url = TitleUrl::parse(encoded)?.ok()?;
    let (query, waiting) = (Query::new(""), Waiting::Forbidden);
    let written = if_ready(async {
        let required = Required::default();
        let view = ViewRequest { url, path, query, required, waiting };
        let (resource, timing) = resource(site, &view).await?;
        let response = resource.write(&method, request, site, head, waiting).await?;
        Ok::<_, Error>((response, timing))
    })?;
    let (response, timing) = written.ok()?;
    cors::decorate(request, &site.settings.load().cors_origins, head);
    if let Some(timing) = timing {
        server_timing::put(&timing, head);
    }
    Some(response)
}

async fn respond_to(request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
    let method = read_method(request.method());
    if let Ok(Read::Options) = method {
        return Ok(cors::options(request));
    }
    let (path, query) = (request.uri().path(), Query::new(request.query_string()));
    let encoded = path.strip_prefix("/v/").ok_or(Error::NotFound)?;
    let url = TitleUrl::parse(encoded).ok_or(Error::NotFound)??;
    if let Err(refused) = method {
        // A missing title is 404 for every method.
        return Err(if exists(&site.titles, &url).await? { refused } else { Error::NotFound });
    }
    let required = match manifest_format(&url.view) {
        Some(_) => required(request, site, query)?,
        None => Required::default(),
    };
    let view = ViewRequest { url, path, query, required, waiting: Waiting::Allowed };
    // As of images: with `?wait=0` it is no failure that a job prepares the title.
    let waits = !plays(&view.url.view) || query.flag("wait", true)?;
    let (resource, timing) = match resource(site, &view).await {
        Err(Error::Pending { job, .. }) if !waits => return Ok(accepted(job)),
        found => found?,
    };
    let mut response = resource.respond(request, site).await?;
    if let Some(timing) = timing {
        server_timing::put(&timing, &mut response);
    }
    Ok(response)
}

async fn exists(titles: &Titles, url: &TitleUrl<'_>) -> Result<bool, Error> {
    match titles.index(&url.title, Waiting::Allowed).await {
        Err(titles::Error::NotFound) if !is_of_file(&url.view) => {
            Ok(titles.open_set(&url.title).await?.is_some())
        }
        Err(titles::Error::NotFound) => Ok(false),
        _ => Ok(true),
    }
}

/// Whether a view is that of one file: manifests of a set lead to the files of its members.
fn is_of_file(view: &View<'_>) -> bool {
    matches!(view, View::Track { .. })
}

/// Whether a view plays, and so starts the jobs that its title needs.
fn plays(view: &View<'_>) -> bool {
    matches!(view, View::Progressive | View::Multivariant | View::Mpd)
}

fn manifest_format(view: &View<'_>) -> Option<ManifestFormat> {
    match view {
        View::Multivariant => Some(ManifestFormat::Hls),
        View::Mpd => Some(ManifestFormat::Dash),
        _ => None,
    }
}

/// The resource of a view, and the timing of its title's opening, if the title is one file.
async fn resource(
    site: &Site,
    request: &ViewRequest<'_>,
) -> Result<(Resource, Option<Timing>), Error> {
    let ViewRequest { url: TitleUrl { title, view }, waiting, .. } = request;
    let titles = &site.titles;
    // A malformed query costs no look at the title.
    let selection = match view {
        View::Progressive => selection(request.query)?,
        _ => Selection::default(),
    };
    if !view.is_hot() {
        waiting.begin().await;
    }
    let begun = Instant::now();
    let indexed = titles.index(title, *waiting).await;
    if matches!(&indexed, Err(titles::Error::NotFound)) && !is_of_file(view) {
        let set = Box::pin(titles.open_set(title)).await?.ok_or(Error::NotFound)?;
        let resource = Box::pin(set_view(site, request, set, selection)).await?;
        return Ok((resource, None));
    }
    let (file, index) = indexed?;
    if !view.is_hot()
        && let Some(resource) =
            Box::pin(without_movie(site, request, (&file, &index), begun)).await?
    {
        return Ok((resource, None));
    }
    let start = if view.is_image() { RemuxStart::Never } else { RemuxStart::Enqueue };
    let opened = titles.open_indexed(title, (file, index), start, begun, *waiting).await?;
    let resource = match view {
        View::Progressive => {
            let opened = titles.progressive(title, opened, *waiting).await?;
            let content = progressive::content(titles, title, &opened, selection, *waiting).await?;
            return Ok((Resource::Content(content), Some(opened.timing)));
        }
        View::Track { version, track, file } if !is_other_track(track) => {
            track_file(request, titles, &opened, (version, track, *file)).await?
        }
        _ => {
            waiting.begin().await;
            Box::pin(other_view(site, request, &opened)).await?
        }
    };
    Ok((resource, Some(opened.timing)))
}

/// A view that needs no movie: the report or the subtitles of a file that is none, or a poster of what is in
/// the file itself; `None` for any other.
async fn without_movie(
    site: &Site,
    request: &ViewRequest<'_>,
    (file, index): (&Arc<File>, &Index),
    begun: Instant,
) -> Result<Option<Resource>, Error> {
    let ViewRequest { url: TitleUrl { title, view }, .. } = request;
    let titles = &site.titles;
    let indexed = || (Arc::clone(file), index.clone());
    match view {
        View::Inspect if index.is_err() => {
            let report = inspection::report(titles, title, indexed()).await?;
            Ok(Some(Resource::Text(report)))
        }
        View::Text(name) if index.is_err() => {
            let text = text_beside(titles, title, indexed(), (*name, begun)).await?;
            Ok(Some(Resource::Text(text)))
        }
        View::Poster => {
            if !has_source_poster(titles, title, file, index).await? {
                return Ok(None);
            }
            let source = (file, titles.version(file));
            Ok(Some(images::source_poster(site, title, source, request.query).await?))
        }
        _ => Ok(None),
    }
}

/// Whether the poster shows what is in the file itself: key frames of one that is no movie, or cover art.
async fn has_source_poster(
    titles: &Titles,
    title: &MediaPath,
    file: &Arc<File>,
    index: &Index,
) -> Result<bool, Error> {
    match index {
        // Audio in Matroska may have cover art attached, which ffmpeg finds.
        Ok(movie) if movie.mp4().is_none() => Ok(movie.leading_video().is_none()),
        Ok(movie) => Ok(facts::has_cover(file, movie).await?),
        Err(refused) => Ok(remux::lacks_video(titles, title, (file, refused)).await?),
    }
}

/// Subtitles of a file that is no movie itself: as long as it is not remuxed, those beside it.
async fn text_beside(
    titles: &Titles,
    title: &MediaPath,
    (file, index): (Arc<File>, Index),
    (name, begun): (&str, Instant),
) -> Result<Text, Error> {
    let version = titles.version(&file);
    let (start, waiting) = (RemuxStart::Never, Waiting::Allowed);
    match titles.open_indexed(title, (file, index), start, begun, waiting).await {
        Ok(opened) => Ok(text_files::file(titles, title, &opened, name).await?),
        Err(not_remuxed) => {
            let (beside, _) = text_files::open_beside(titles, title, version).await?;
            match text_files::file_among(titles, &beside, name).await {
                // Perhaps the remux extracts it.
                Err(titles::Error::NotFound) => Err(not_remuxed.into()),
                found => Ok(found?),
            }
        }
    }
}

/// Whether a folder is neither a track of video or audio nor a job's.
fn is_other_track(folder: &str) -> bool {
    folder == images::STORYBOARD || texts::parse_folder(folder).is_some()
}

/// A playlist or a segment of a video or audio track.
async fn track_file(
    request: &ViewRequest<'_>,
    titles: &Titles,
    title: &Opened,
    (version, folder, file): (&str, &str, TrackFile),
) -> Result<Resource, Error> {
    let waiting = request.waiting;
    let job_track = match JobTrack::parse(folder) {
        Some(track) => Some((track.open(titles, title, waiting).await?, track.folder_in_file())),
        None => None,
    };
    let (opened, folder) = match &job_track {
        Some((opened, folder)) => (opened, *folder),
        None => (title, folder),
    };
    if version != opened.version.to_string() || title::find_track(&opened.movie, folder).is_none() {
        return Err(Error::NotFound);
    }
    let product = match file {
        TrackFile::Media => Product::Media(folder.to_owned()),
        TrackFile::IFrames => Product::IFrames(folder.to_owned()),
        TrackFile::Segment(file) => {
            // A layout shows where the bytes of a segment are in its file.
            let is_layout = request.query.flag("layout", false)?;
            let gathered = (!is_layout).then_some(&titles.gathered);
            let content =
                segments::content(titles, opened, gathered, folder, file, waiting).await?;
            return Ok(Resource::Content(content));
        }
        _ => return Err(Error::NotFound),
    };
    let playlist = manifests::playlist(titles, title, opened, product, waiting).await?;
    Ok(Resource::Text(playlist))
}

/// A view of a set.
async fn set_view(
    site: &Site,
    request: &ViewRequest<'_>,
    set: Set,
    selection: Selection,
) -> Result<Resource, Error> {
    let ViewRequest { url: TitleUrl { title, view }, required, .. } = request;
    let titles = &site.titles;
    let leading = &set.leading;
    let Member { path, opened } = leading;
    if let Some(format) = manifest_format(view) {
        job_tracks::enqueue_audio(titles, path, opened);
        let path = path.clone();
        let (opened, assets) = TitleAssets::of_set(titles, set).await?;
        return manifest(titles, title, (&path, &opened), assets, (format, *required)).await;
    }
    match view {
        View::Progressive => {
            let waiting = Waiting::Allowed;
            let opened = titles.progressive(path, opened.clone(), waiting).await?;
            let content = progressive::content(titles, path, &opened, selection, waiting).await?;
            Ok(Resource::Content(content))
        }
        _ => view_of_file(site, request, (path, &leading.prefix()), opened).await,
    }
}

/// A view that always waits.
async fn other_view(
    site: &Site,
    request: &ViewRequest<'_>,
    opened: &Opened,
) -> Result<Resource, Error> {
    let ViewRequest { url: TitleUrl { title, view }, path, required, .. } = request;
    let titles = &site.titles;
    if let Some(format) = manifest_format(view) {
        job_tracks::enqueue_audio(titles, title, opened);
        let assets = TitleAssets::open(titles, title, opened, path).await?;
        return manifest(titles, title, (title, opened), assets, (format, *required)).await;
    }
    view_of_file(site, request, (title, ""), opened).await
}

/// The manifest of a title whose leading file is `leading`, once it has the video that it must have.
async fn manifest(
    titles: &Titles,
    title: &MediaPath,
    (leading, opened): (&MediaPath, &Opened),
    assets: TitleAssets,
    (format, required): (ManifestFormat, Required),
) -> Result<Resource, Error> {
    required_tracks::require(titles, leading, opened, &assets, required).await?;
    let text = manifests::manifest(titles, title, opened, assets, format).await?;
    Ok(Resource::Text(text))
}

/// A view of one file but for its media: `prefix` leads from the view's URL to that of the file.
async fn view_of_file(
    site: &Site,
    ViewRequest { url: TitleUrl { view, .. }, query, .. }: &ViewRequest<'_>,
    (title, prefix): (&MediaPath, &str),
    opened: &Opened,
) -> Result<Resource, Error> {
    let titles = &site.titles;
    let text = match view {
        View::Chapters => texts::chapters(titles, opened).await?,
        View::Text(name) => text_files::file(titles, title, opened, name).await?,
        View::Inspect => {
            let (file, movie) = (Arc::clone(&opened.file), Arc::clone(&opened.movie));
            inspection::report(titles, title, (file, Ok(movie))).await?
        }
        View::Track { version, track, file } if *track != images::STORYBOARD => {
            text_file(titles, title, opened, (version, track, *file)).await?
        }
        _ => return images::resource(site, (title, prefix), opened, view, *query).await,
    };
    Ok(Resource::Text(text))
}

async fn text_file(
    titles: &Titles,
    title: &MediaPath,
    opened: &Opened,
    (version, folder, file): (&str, &str, TrackFile),
) -> Result<Text, Error> {
    let index = texts::parse_folder(folder).ok_or(Error::NotFound)?;
    let file = match file {
        TrackFile::Media => TextFile::Playlist,
        TrackFile::Text(segment) => TextFile::Segment(segment),
        TrackFile::AllText => TextFile::Whole,
        _ => return Err(Error::NotFound),
    };
    Ok(texts::file(titles, title, opened, version, (index, file)).await?)
}

/// What a query asks a manifest to have. It may start jobs, so a page of another origin must not ask: on its
/// behalf a browser would start them on a server that only its own machine reaches. Over plain HTTP from
/// another machine browsers do not name the page; there the places for renditions are the bound.
fn required(request: &HttpRequest, site: &Site, query: Query<'_>) -> Result<Required, Error> {
    let mut required = Required::default();
    for codec in query.list("require") {
        match codec.as_str() {
            "h264" => required.h264 = true,
            "aac" => required.aac = true,
            _ => return Err(Error::BadRequest("require must be h264, aac or both".to_owned())),
        }
    }
    if required == Required::default() {
        return Ok(required);
    }
    if authorization::is_of_other_page(request) {
        return Err(Error::CrossOrigin);
    }
    match hosts::is_own(request.head(), &site.settings.load()) {
        true => Ok(required),
        false => Err(Error::UnknownHost),
    }
}

/// Parses the part of a title that a query selects.
fn selection(query: Query<'_>) -> Result<Selection, Error> {
    let start_ms = query.milliseconds("start")?.unwrap_or(0);
    let end_ms = query.milliseconds("end")?;
    if end_ms.is_some_and(|end_ms| end_ms <= start_ms) {
        return Err(Error::BadRequest("end must be later than start".to_owned()));
    }
    Ok(Selection { start_ms, end_ms, tracks: query.list("tracks") })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use tokio::runtime::Handle;

    use super::*;
    use crate::{
        config::Settings,
        library::{IndexCache, Library},
        telemetry::Metrics,
    };

    /// The fast path moves the future to its stack and polls it there.
    #[tokio::test]
    async fn the_future_of_a_view_is_small() {
        let indices = IndexCache::new(0, NonZeroU32::MIN);
        let library = Library::new(Vec::new(), 0, false, indices);
        let (settings, metrics) = (Settings::from_layers(&[]), Metrics::default());
        let site = Site::new(library, settings, metrics, Handle::current());
        let path = "/v/a.mp4/~0/video-1/1.m4s";
        let url = TitleUrl::parse(&path[3..]).expect("a view").expect("a title");
        let waiting = Waiting::Forbidden;
        let (query, required) = (Query::new(""), Required::default());
        let request = ViewRequest { url, path, query, required, waiting };
        let bytes = size_of_val(&resource(&site, &request));
        assert!(bytes < 2048, "{bytes}");
    }

    #[test]
    fn a_query_selects_a_part_of_a_title() {
        let parse = |query| selection(Query::new(query));
        let tracks = vec!["video-1".to_owned(), "audio-2".to_owned()];
        let expected = Selection { start_ms: 1500, end_ms: Some(3000), tracks };
        assert_eq!(parse("start=1.5&end=3&tracks=video-1,audio-2&utm=x").expect("legal"), expected);
        let encoded = parse("end=3%2e0&start=1.5&tracks=video-1%2Caudio-2");
        assert_eq!(encoded.expect("legal"), expected);
        assert!(parse("start=3&end=3").is_err());
        assert!(parse("start=x").is_err());
        assert_eq!(parse("").expect("legal"), Selection::default());
    }
}
