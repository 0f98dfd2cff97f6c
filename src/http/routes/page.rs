//! The page: a list of titles and a player, in one document.

use std::sync::LazyLock;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::header::{
        CONTENT_SECURITY_POLICY, CROSS_ORIGIN_OPENER_POLICY, HeaderValue, REFERRER_POLICY,
    },
    web::{Data, Path},
};
use bytes::Bytes;

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

const DOCUMENT: (&str, &[u8]) =
    ("text/html; charset=utf-8", include_bytes!("../../../web/index.html"));

/// A file of the page, with its media type.
macro_rules! asset {
    ($name:literal, $media_type:expr) => {
        ($name, $media_type, include_bytes!(concat!("../../../web/", $name)))
    };
}

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The files that the document refers to: name, media type and bytes.
const ASSETS: &[(&str, &str, &[u8])] = &[
    asset!("page.css", STYLE),
    asset!("library.css", STYLE),
    asset!("player.css", STYLE),
    asset!("jobs.css", STYLE),
    asset!("page.js", SCRIPT),
    asset!("library.js", SCRIPT),
    asset!("posters.js", SCRIPT),
    asset!("player.js", SCRIPT),
    asset!("quality.js", SCRIPT),
    asset!("seekbar.js", SCRIPT),
    asset!("storyboard.js", SCRIPT),
    asset!("renditions.js", SCRIPT),
    asset!("jobs.js", SCRIPT),
    asset!("server.js", SCRIPT),
    asset!("words.js", SCRIPT),
    // hls.js, which plays HLS in browsers that cannot; loaded on demand.
    asset!("hls.min.mjs", SCRIPT),
];

/// `/` and `/watch/<path>`: the same document; its script picks the title from the path.
pub async fn page(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let (media_type, built_in) = DOCUMENT;
    let document = match &site.settings.load().ui_dir {
        None => Ok(Bytes::from_static(built_in)),
        Some(sources) => {
            let path = sources.join("index.html");
            let read = site.spawn_blocking_limited(move || std::fs::read(path)).await;
            read.and_then(|read| read.map(Bytes::from).map_err(|e| Error::Internal(Box::new(e))))
        }
    };
    let text = document.map(|bytes| Text::new(bytes, media_type, Caching::Revalidate));
    respond_page(&request, &site, text).await
}

/// `/assets/<name>`: a file that the document refers to.
pub async fn asset(request: HttpRequest, site: Data<Site>, name: Path<String>) -> HttpResponse {
    let place = ASSETS.iter().position(|(known, ..)| *known == name.as_str());
    respond_page(
        &request,
        &site,
        place.map(|place| ASSET_TEXTS[place].clone()).ok_or(Error::NotFound),
    )
    .await
}

/// The built-in assets with their coded forms: to encode the largest takes some tens of milliseconds.
static ASSET_TEXTS: LazyLock<Vec<Text>> = LazyLock::new(|| {
    let assets = ASSETS.iter().map(|&(_, media_type, bytes)| {
        Text::kept(Bytes::from_static(bytes), media_type, Caching::Revalidate, None)
    });
    assets.collect()
});

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// All texts between `before` and the next double quote.
    fn names<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
        let behind = text.split(before).skip(1);
        behind.filter_map(|rest| rest.split_once('"').map(|(name, _)| name)).collect()
    }

    #[test]
    fn built_in_assets_are_those_that_the_page_refers_to() {
        let text = |bytes| std::str::from_utf8(bytes).expect("UTF-8");
        let mut referred: BTreeSet<_> =
            names(text(DOCUMENT.1), "=\"/assets/").into_iter().collect();
        for (name, _, bytes) in ASSETS {
            // hls.js refers to no file of the page.
            if name.ends_with(".js") {
                referred.extend(names(text(bytes), "from \"./"));
                referred.extend(names(text(bytes), "import(\"./"));
            }
        }
        let built_in: BTreeSet<_> = ASSETS.iter().map(|(name, ..)| *name).collect();
        assert_eq!(referred, built_in);
    }
}
