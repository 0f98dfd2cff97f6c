//! `/api/library/events`: notifications of buckets that objects may have changed.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::{Method, StatusCode, header::HeaderValue},
    web::{Data, Payload},
};
use serde::Serialize;
use tracing::info;

use super::jobs::{json, options_or_refuse};
use crate::{
    bucket_catalog::notification::Notification,
    http::{Error, Site, authorization, content},
};

const METHODS: HeaderValue = HeaderValue::from_static("POST, OPTIONS");

/// The longest URL that the log shows.
const URL_LENGTH_MAX: usize = 2048;

/// The response.
#[derive(Debug, Serialize)]
struct Accepted {
    /// The keys of the library's buckets that will be checked.
    checks: usize,
}

/// `POST /api/library/events`
pub async fn receive(request: HttpRequest, content: Payload, site: Data<Site>) -> HttpResponse {
    let response = match *request.method() {
        Method::POST => note(&request, content, &site).await,
        _ => options_or_refuse(&request, METHODS),
    };
    response.unwrap_or_else(|error| error.error_response())
}

/// Enqueues the checks; none is made in the time of the request.
async fn note(request: &HttpRequest, content: Payload, site: &Site) -> Result<HttpResponse, Error> {
    authorization::permit(request, site)?;
    let read_timeout = Duration::from_secs(site.settings.load().head_timeout_s.get());
    let content = content::read(content, read_timeout).await?;
    let parsed = Notification::parse(&content);
    match parsed.map_err(|error| Error::BadRequest(error.to_string()))? {
        Notification::Objects(events) => {
            let checks = site.bucket_catalog.note_events(&events).map_err(|_full| Error::Busy)?;
            json(StatusCode::ACCEPTED, &Accepted { checks })
        }
        Notification::Confirmation(url) => {
            // Never opened by the server: it would send requests wherever a client says.
            let url: String = url.chars().take(URL_LENGTH_MAX).collect();
            info!(
                url,
                "SNS asks for the confirmation of a subscription; open the URL to confirm it"
            );
            Err(Error::BadRequest(
                "the server opens no SubscribeURL; open it yourself, it is in the server log"
                    .into(),
            ))
        }
    }
}
