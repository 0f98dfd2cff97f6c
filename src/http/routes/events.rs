//! `/api/events`: what changes, as it does (server-sent events, HTML section 9.2).

use std::convert::Infallible;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    web::{Data, Query},
};
use futures::stream;
use serde::Deserialize;

use super::{Read, jobs::queue_of, read_method};
use crate::http::{Error, Site, cors, fields::Fields as _, following::endless};

const LAST_EVENT_ID: &str = "last-event-id";

/// What the events are asked for by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    since: Option<String>,
}

/// `GET /api/events[?since=N]`: `job` with the job as JSON, its change's number as the event's id;
/// `titles` when there are other titles. With the number of a change, all since then comes first.
pub async fn events(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    listen(&request, &site).unwrap_or_else(|error| error.error_response())
}

fn listen(request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
    if let Read::Options = read_method(request.method())? {
        return Ok(cors::options(request));
    }
    let since = since(request)?;
    let mut events = queue_of(site)?.listen(since)?;
    let pieces =
        stream::poll_fn(move |cx| events.poll_recv(cx).map(|text| text.map(Ok::<_, Infallible>)));
    Ok(endless(request, "text/event-stream", pieces))
}

/// The number of the last change that the client knows. What it says when it has lost the connection
/// is newer than what stands in the target.
fn since(request: &HttpRequest) -> Result<Option<i64>, Error> {
    let name = actix_web::http::header::HeaderName::from_static(LAST_EVENT_ID);
    let told = request.headers().only(&name).and_then(|id| std::str::from_utf8(id).ok());
    let asked = Query::<EventsQuery>::from_query(request.query_string())
        .map_err(|error| Error::BadRequest(error.to_string()))?
        .into_inner();
    let number = |text: &str| text.parse().ok().filter(|number| *number >= 0);
    match (told.and_then(number), asked.since) {
        (Some(told), _) => Ok(Some(told)),
        (None, Some(asked)) => match number(&asked) {
            Some(asked) => Ok(Some(asked)),
            None => Err(Error::BadRequest("since must be the number of a change".into())),
        },
        (None, None) => Ok(None),
    }
}
