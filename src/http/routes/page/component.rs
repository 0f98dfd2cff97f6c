//! `/headwater-player.js`: the web component, under an address that pages of other origins name.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, CROSS_ORIGIN_RESOURCE_POLICY, HeaderName, HeaderValue,
    },
    web::Data,
};

use super::assets;
use crate::http::{
    Error, Site, cors,
    methods::{Read, read_method},
    text_response::respond_text,
};

/// The file in `web/`.
pub const NAME: &str = "headwater-player.js";

/// Code, and not media: every page may load it.
const CROSS_ORIGIN: [(HeaderName, HeaderValue); 2] = [
    (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin")),
];

/// `GET /headwater-player.js`
pub async fn serve(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let result = respond(&request, &site).await;
    let mut response = result.unwrap_or_else(|error| error.error_response());
    for (name, value) in CROSS_ORIGIN {
        response.headers_mut().insert(name, value);
    }
    response
}

async fn respond(request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
    match read_method(request.method())? {
        Read::Options => Ok(cors::options(request)),
        Read::Respond => {
            let script = assets::find(site, NAME).await?;
            respond_text(request, site, script).await
        }
    }
}
