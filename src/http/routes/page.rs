//! The page: a list of titles and a player, in one document.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY},
    web::{Data, Path},
};
use bytes::Bytes;

use super::{Read, read_method};
use crate::{
    extent::Caching,
    http::{
        Error, Site, cors,
        text::{Text, respond_text},
    },
};

/// Nothing but what this server serves, and no script or style inside the document.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self'; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'self'",
);

const DOCUMENT: (&str, &[u8]) =
    ("text/html; charset=utf-8", include_bytes!("../../../web/index.html"));

/// Name, media type and bytes of what the document refers to.
const ASSETS: &[(&str, &str, &[u8])] = &[
    ("page.css", "text/css; charset=utf-8", include_bytes!("../../../web/page.css")),
    ("page.js", "text/javascript; charset=utf-8", include_bytes!("../../../web/page.js")),
];

/// `/` and `/watch/<path>`: the same document; which title is shown is for its script to know.
pub async fn page(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let mut document = DOCUMENT.1.into();
    if let Some(sources) = &site.settings.load().page_dir {
        let path = sources.join("index.html");
        let read = site.beside.spawn_blocking(move || std::fs::read(path)).await;
        match read.map_err(std::io::Error::other).flatten() {
            Ok(bytes) => document = Bytes::from(bytes),
            Err(error) => return Error::Internal(Box::new(error)).error_response(),
        }
    }
    answer(&request, &site, DOCUMENT.0, document).await
}

/// `/assets/<name>`: what the document refers to.
pub async fn asset(request: HttpRequest, site: Data<Site>, name: Path<String>) -> HttpResponse {
    match ASSETS.iter().find(|(known, ..)| *known == name.as_str()) {
        Some((_, media_type, bytes)) => {
            answer(&request, &site, media_type, Bytes::from_static(bytes)).await
        }
        None => Error::NotFound.error_response(),
    }
}

async fn answer(
    request: &HttpRequest,
    site: &Site,
    media_type: &'static str,
    bytes: Bytes,
) -> HttpResponse {
    match read_method(request.method()) {
        Ok(Read::Answer) => {}
        Ok(Read::Options) => return cors::options(request),
        Err(error) => return error.error_response(),
    }
    let text = Text::made(bytes, media_type, Caching::Revalidate);
    let mut response = respond_text(request, site, text).await;
    let fields = response.headers_mut();
    fields.insert(CONTENT_SECURITY_POLICY, POLICY);
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    let isolation = HeaderName::from_static("cross-origin-opener-policy");
    fields.insert(isolation, HeaderValue::from_static("same-origin"));
    response
}
