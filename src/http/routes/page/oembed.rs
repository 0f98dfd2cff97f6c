//! `/oembed?url=…`: the player of a title for pages that embed links (<https://oembed.com>).

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;

use super::{about::About, head::DEFAULT_SIZE, html::Escaped};
use crate::{
    extent::Caching,
    http::{
        Error, Site, cors,
        methods::{Read, read_method},
        own_origin::own_origin,
        query::Query,
        routes::finish,
        text_response::{Text, respond_text},
    },
    library::MediaPath,
};

/// The height of a player of audio.
const AUDIO_SIZE: (u32, u32) = (640, 120);
const THUMBNAIL_WIDTH: u32 = 640;

/// A response of type `video`, or `rich` for audio.
#[derive(Debug, Serialize)]
struct Embeddable {
    version: &'static str,
    r#type: &'static str,
    provider_name: &'static str,
    provider_url: String,
    title: String,
    width: u32,
    height: u32,
    html: String,
    #[serde(flatten)]
    thumbnail: Option<Thumbnail>,
}

#[derive(Debug, Serialize)]
struct Thumbnail {
    thumbnail_url: String,
    thumbnail_width: u32,
    thumbnail_height: u32,
}

/// `GET /oembed?url=&maxwidth=&maxheight=&format=json`
pub async fn serve(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let result = respond(&request, &site).await;
    finish(&request, &site, result)
}

async fn respond(request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
    if let Read::Options = read_method(request.method())? {
        return Ok(cors::options(request));
    }
    let query = Query::new(request.query_string());
    if query.get("format").is_some_and(|format| format != "json") {
        return Err(Error::NotImplemented("format must be json"));
    }
    let origin = own_origin(request.head(), &site.settings.load());
    let url = query
        .get("url")
        .ok_or_else(|| Error::BadRequest("url must be the address of a watch page".into()))?;
    let about = About::find(site, title_of(&url, &origin)?).await?;
    let limits = (limit(query, "maxwidth")?, limit(query, "maxheight")?);
    let embeddable = describe(&about, &origin, limits);
    let json = serde_json::to_vec(&embeddable).map_err(|error| Error::Internal(Box::new(error)))?;
    respond_text(request, site, Text::new(json, "application/json", Caching::Revalidate)).await
}

/// The title of an address of this server. The scheme does not count: a proxy may have changed it.
fn title_of(url: &str, origin: &str) -> Result<MediaPath, Error> {
    let behind_scheme = |url: &str| url.split_once("://").map(|(_, rest)| rest.to_owned());
    let rest = behind_scheme(url).ok_or(Error::NotFound)?;
    let host = behind_scheme(origin).ok_or(Error::NotFound)?;
    let target = rest
        .get(..host.len())
        .filter(|other| other.eq_ignore_ascii_case(&host))
        .and_then(|_| rest.get(host.len()..))
        .ok_or(Error::NotFound)?;
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let title = path.strip_prefix("/watch/").or(path.strip_prefix("/embed/"));
    Ok(MediaPath::decode(title.ok_or(Error::NotFound)?)?)
}

/// The greatest width or height that a client can show.
fn limit(query: Query<'_>, key: &str) -> Result<Option<u64>, Error> {
    match query.number(key)? {
        Some(0) => Err(Error::BadRequest(format!("{key} must be at least 1"))),
        pixels => Ok(pixels),
    }
}

fn describe(about: &About, origin: &str, limits: (Option<u64>, Option<u64>)) -> Embeddable {
    let own = if about.is_audio { AUDIO_SIZE } else { about.size.unwrap_or(DEFAULT_SIZE) };
    let (width, height) = fit(own, limits);
    let source = format!("{origin}{}", about.page("/embed/"));
    let html = format!(
        "<iframe src=\"{}\" width=\"{width}\" height=\"{height}\" title=\"{}\" \
         allow=\"autoplay; fullscreen; picture-in-picture\" allowfullscreen loading=\"lazy\" \
         style=\"border: 0\"></iframe>",
        Escaped(&source),
        Escaped(&about.name),
    );
    let thumbnail = about.size.filter(|_| about.has_poster).map(|size| {
        let width_max = u64::from(THUMBNAIL_WIDTH).min(limits.0.unwrap_or(u64::MAX));
        let (thumbnail_width, thumbnail_height) = fit(size, (Some(width_max), limits.1));
        let target = about.view(&format!("poster.jpg?width={thumbnail_width}"));
        let thumbnail_url = format!("{origin}{target}");
        Thumbnail { thumbnail_url, thumbnail_width, thumbnail_height }
    });
    Embeddable {
        version: "1.0",
        r#type: if about.is_audio { "rich" } else { "video" },
        provider_name: "Headwater",
        provider_url: format!("{origin}/"),
        title: about.name.clone(),
        width,
        height,
        html,
        thumbnail,
    }
}

/// The largest size of this shape within limits.
fn fit(
    (width, height): (u32, u32),
    (max_width, max_height): (Option<u64>, Option<u64>),
) -> (u32, u32) {
    let (w, h) = (u64::from(width.max(1)), u64::from(height.max(1)));
    let (mut fit_width, mut fit_height) = (w, h);
    if let Some(max) = max_width.filter(|max| *max < fit_width) {
        (fit_width, fit_height) = (max, h * max / w);
    }
    if let Some(max) = max_height.filter(|max| *max < fit_height) {
        (fit_width, fit_height) = (w * max / h, max);
    }
    let side = |pixels: u64| u32::try_from(pixels.max(1)).unwrap_or(u32::MAX);
    (side(fit_width), side(fit_height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_keeps_its_shape_within_the_limits() {
        for (own, limits, expected) in [
            ((1920, 1080), (None, None), (1920, 1080)),
            ((1920, 1080), (Some(640), None), (640, 360)),
            ((1920, 1080), (None, Some(360)), (640, 360)),
            ((1920, 1080), (Some(640), Some(100)), (177, 100)),
            ((1080, 1920), (Some(640), Some(640)), (360, 640)),
            ((320, 180), (Some(640), Some(640)), (320, 180)),
            ((4000, 2), (Some(10), None), (10, 1)),
        ] {
            assert_eq!(fit(own, limits), expected, "{own:?} {limits:?}");
        }
    }

    #[test]
    fn a_thumbnail_keeps_the_limits() {
        let about = About {
            path: MediaPath::decode("a.mp4").expect("a path"),
            name: "a".to_owned(),
            modified: std::time::SystemTime::UNIX_EPOCH,
            is_audio: false,
            duration_ms: None,
            size: Some((1920, 1080)),
            has_poster: true,
        };
        for (limits, size) in [
            ((None, None), (640, 360)),
            ((Some(320), None), (320, 180)),
            ((Some(1000), Some(90)), (160, 90)),
        ] {
            let found = describe(&about, "http://tv.example", limits).thumbnail.expect("a poster");
            assert_eq!((found.thumbnail_width, found.thumbnail_height), size);
            let query = format!("poster.jpg?width={}", size.0);
            assert!(found.thumbnail_url.ends_with(&query), "{}", found.thumbnail_url);
        }
    }

    #[test]
    fn only_addresses_of_this_server_name_a_title() {
        for (url, title) in [
            ("http://tv.example/watch/a/b.mp4", Some("a/b.mp4")),
            ("https://TV.example/embed/a%20b.mp4?t=5#x", Some("a b.mp4")),
            ("http://tv.example.evil/watch/a.mp4", None),
            ("http://other.example/watch/a.mp4", None),
            ("http://tv.example/media/a.mp4", None),
            ("http://tv.example/watch/../a.mp4", None),
            ("http://tv.exampl\u{e9}/watch/a.mp4", None),
            ("/watch/a.mp4", None),
            ("", None),
        ] {
            let found = title_of(url, "http://tv.example").map(|path| path.display());
            assert_eq!(found.ok().as_deref(), title, "{url}");
        }
    }
}
