//! `/api/events`: a stream of changes (server-sent events, HTML section 9.2).

use std::convert::Infallible;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _, http::header::HeaderName, web::Data,
};
use futures::stream;

use super::{Read, jobs::require_jobs, read_method};
use crate::http::{
    Error, Site, cors, events::Since, fields::Fields as _, following::endless, query::Query,
};

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// `GET /api/events[?since=N&titles_since=M]`: an event `job` has the job as JSON, and the number of its change
/// as id; an event `titles` reports a change of the list of titles. With `since` and `titles_since`, the stream
/// begins with all changes of jobs and of titles after those numbers.
pub async fn stream(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    respond(&request, &site).unwrap_or_else(|error| error.error_response())
}

fn respond(request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
    if let Read::Options = read_method(request.method())? {
        return Ok(cors::options(request));
    }
    let mut events = require_jobs(site)?.subscribe(since(request)?)?;
    let body =
        stream::poll_fn(move |cx| events.poll_recv(cx).map(|text| text.map(Ok::<_, Infallible>)));
    Ok(endless(request, "text/event-stream", body))
}

/// The numbers of the last changes that the client has received. `Last-Event-ID`, which a client sends when
/// it reconnects, is newer than the number in the target.
fn since(request: &HttpRequest) -> Result<Since, Error> {
    let last_event_id =
        request.headers().only(&LAST_EVENT_ID).and_then(|id| std::str::from_utf8(id).ok());
    let query = Query::new(request.query_string());
    query.check_keys(&["since", "titles_since"])?;
    let number = |text: &str| text.parse().ok().filter(|number| *number >= 0);
    let number_of = |key| match query.get(key) {
        Some(text) => match number(&text) {
            Some(since) => Ok(Some(since)),
            None => Err(Error::BadRequest(format!("{key} must be the number of a change"))),
        },
        None => Ok(None),
    };
    let titles = number_of("titles_since")?.map(i64::unsigned_abs);
    let job = match last_event_id.and_then(number) {
        Some(last) => Some(last),
        None => number_of("since")?,
    };
    Ok(Since { job, titles })
}
