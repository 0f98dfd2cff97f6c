//! The page: a list of titles and a player, in one document, with its styles and scripts.

pub mod assets;
mod document;
mod modules;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::header::{
        CONTENT_SECURITY_POLICY, CROSS_ORIGIN_OPENER_POLICY, HeaderValue, REFERRER_POLICY,
    },
    web::Data,
};

use self::{
    assets::BUILT_IN,
    document::{Document, fill},
};
use super::{Read, read_method};
use crate::{
    extent::Caching,
    http::{
        Error, Site, cors,
        text_response::{Text, respond_text},
    },
};

/// The policy of the page: only resources of this server, and no inline script or style. Media that hls.js
/// assembles plays from a `blob:` URL.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self' blob:; \
     img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'self'",
);

const HTML: &str = "text/html; charset=utf-8";

/// `/` and `/watch/<path>`: the same document; its script picks the title from the path.
pub async fn page(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let text = page_text(&site).await;
    respond_page(&request, &site, text).await
}

async fn page_text(site: &Site) -> Result<Text, Error> {
    let template = Document::Page.template(site).await?;
    let head = format!("<title>Headwater</title>{}", preload(site, "page.js"));
    let document = fill(&template, &[("head", &head)]);
    Ok(Text::new(document, HTML, Caching::Revalidate))
}

/// Links that let the browser fetch a script and all its imports at once. Sources from the disk may change
/// between two requests, and have none.
fn preload(site: &Site, entry: &str) -> String {
    if site.settings.load().ui_dir.is_some() {
        return String::new();
    }
    let targets = BUILT_IN.modules(entry);
    let links =
        targets.iter().map(|target| format!("<link rel=\"modulepreload\" href=\"{target}\">"));
    links.collect()
}

async fn respond_page(
    request: &HttpRequest,
    site: &Site,
    text: Result<Text, Error>,
) -> HttpResponse {
    let responding = async {
        match read_method(request.method())? {
            Read::Options => Ok(cors::options(request)),
            Read::Respond => {
                let mut response = respond_text(request, site, text?).await?;
                let fields = response.headers_mut();
                fields.insert(CONTENT_SECURITY_POLICY, POLICY);
                fields.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
                fields.insert(CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
                Ok(response)
            }
        }
    };
    responding.await.unwrap_or_else(|error: Error| error.error_response())
}
