//! `/api/openapi.json`: the description of the API.
//!
//! The description is written by hand, and a test compares it with the responses of a running server: types
//! would yield the members, but neither the statuses of a request nor their reasons.

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse, ResponseError as _, web::Data};
use bytes::Bytes;

use super::{Read, read_method};
use crate::{
    extent::Caching,
    http::{
        Error, Site, cors,
        text_response::{Text, respond_text},
    },
};

/// The description with its compressed forms: the text is long and repetitive.
static DESCRIPTION: LazyLock<Text> = LazyLock::new(|| {
    let bytes = Bytes::from_static(include_bytes!("openapi.json"));
    Text::kept(bytes, "application/json", Caching::Revalidate, None)
});

/// `GET /api/openapi.json`
pub async fn describe(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    respond(&request, &site).await.unwrap_or_else(|error| error.error_response())
}

async fn respond(request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
    match read_method(request.method())? {
        Read::Options => Ok(cors::options(request)),
        Read::Respond => respond_text(request, site, DESCRIPTION.clone()).await,
    }
}
