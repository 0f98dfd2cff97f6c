//! The page: a list of titles and a player, in one document, and the player alone for pages of others.
//!
//! The server fills the documents with what it knows, so that they say what they are without a script, and
//! nothing moves when the script runs.

mod about;
pub mod assets;
mod cards;
pub mod component;
mod document;
pub mod embed;
mod head;
mod html;
pub mod library;
mod modules;
pub mod oembed;
pub mod watch;

use std::sync::LazyLock;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, CROSS_ORIGIN_OPENER_POLICY,
        HeaderValue, REFERRER_POLICY,
    },
};

use self::{about::About, assets::BUILT_IN, document::part, html::Escaped};
use super::{Read, read_method};
use crate::{
    extent::Caching,
    http::{
        Error, Site,
        authorization::is_read_only,
        cors,
        own_origin::is_trustworthy,
        text_response::{Text, respond_text},
    },
};

/// The policy of the page: only resources of this server, and no inline script or style. Media that hls.js
/// assembles plays from a `blob:` URL.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self' blob:; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'self'";

const HTML: &str = "text/html; charset=utf-8";

/// A document that is ready to be sent.
struct Filled {
    document: String,
    /// Why the document does not show what its address names.
    error: Option<Error>,
}

/// Links that let the browser fetch built-in scripts and all their imports at once.
fn module_links(entries: &[&str]) -> String {
    let targets = BUILT_IN.modules(entries);
    let link = |target| format!("\n  <link rel=\"modulepreload\" href=\"{target}\">");
    targets.iter().map(link).collect()
}

/// The module links of a document. Sources from the disk may change between two requests, and have none.
fn preload<'a>(site: &Site, links: &'a LazyLock<String>) -> &'a str {
    match site.settings.load().ui_dir {
        Some(_) => "",
        None => links,
    }
}

/// The `<video>` of a template with what the server knows: the shape, so that nothing moves when the first
/// bytes arrive, and the poster.
fn stage(template: &str, about: &About) -> String {
    let tag = part(template, "video").unwrap_or_default();
    let mut attributes = String::new();
    if let Some((width, height)) = about.size {
        attributes += &format!(" width=\"{width}\" height=\"{height}\"");
    }
    if about.has_poster {
        attributes += &format!(" poster=\"{}\"", Escaped(&about.view("poster.jpg?wait=0")));
    }
    tag.replacen("<video", &format!("<video{attributes}"), 1)
}

/// The `<body>` of the page with its classes: `read-only` where this client may change nothing.
fn body(request: &HttpRequest, site: &Site, class: Option<&str>) -> String {
    let read_only = is_read_only(request, site).then_some("read-only");
    let classes: Vec<_> = class.into_iter().chain(read_only).collect();
    match classes.join(" ").as_str() {
        "" => "<body>".to_owned(),
        classes => format!("<body class=\"{classes}\">"),
    }
}

/// The browser's own player, for a page without scripts.
fn plain_video(about: &About) -> String {
    let tag = if about.is_audio { "audio" } else { "video" };
    let source = about.playable();
    let source = Escaped(&source);
    format!("<{tag} controls preload=\"metadata\" src=\"{source}\"></{tag}>")
}

/// Responds with a document: the status of its error has no other document.
async fn respond_document(
    request: &HttpRequest,
    site: &Site,
    filled: Result<Filled, Error>,
) -> HttpResponse {
    let (document, error) = match filled {
        Ok(Filled { document, error }) => (document, error),
        Err(error) => return error.error_response(),
    };
    let Some(error) = error else {
        let text = Text::new(document, HTML, Caching::Revalidate);
        return respond_page(request, site, Ok(text)).await;
    };
    let mut response = error.error_response();
    if matches!(read_method(request.method()), Ok(Read::Respond)) {
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        secure(request, &mut response);
        return response.set_body(document).map_into_boxed_body();
    }
    respond_page(request, site, Err(error)).await
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
                secure(request, &mut response);
                Ok(response)
            }
        }
    };
    responding.await.unwrap_or_else(|error: Error| error.error_response())
}

/// Adds the fields that keep other origins away from the page.
fn secure(request: &HttpRequest, response: &mut HttpResponse) {
    let fields = response.headers_mut();
    fields.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    // Elsewhere browsers ignore it, and report that as an error of the page.
    if is_trustworthy(request.head()) {
        fields.insert(CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
    }
}
