//! `/api/openapi.json`: what the API takes and answers, for programs and for those who write them.
//!
//! The description is written by hand, and held against the answers of a running server by a test:
//! what is derived from types says what they are, and not which statuses there are, nor why.

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

/// With its coded forms: it is long, and says the same again and again.
static DESCRIPTION: LazyLock<Text> = LazyLock::new(|| {
    let bytes = Bytes::from_static(include_bytes!("openapi.json"));
    Text::kept(bytes, "application/json", Caching::Revalidate, None)
});

/// `GET /api/openapi.json`
pub async fn description(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    describe(&request, &site).await.unwrap_or_else(|error| error.error_response())
}

async fn describe(request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
    match read_method(request.method())? {
        Read::Options => Ok(cors::options(request)),
        Read::Answer => respond_text(request, site, DESCRIPTION.clone()).await,
    }
}
