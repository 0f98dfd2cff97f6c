//! Resources, and the response to a GET or HEAD: the same for the fast path and the App.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    },
};

use super::{
    Error, Site, extents_view,
    fields::{Fields, ResponseFields},
    query::Query,
    respond::{self, ResponseBody},
    text_response,
};
use crate::{
    extent::{Content, Extent, Extents, Text},
    titles::readiness::Waiting,
};

/// The placeholder for an image that is not rendered yet: the colour of a dark screen. Players put their own symbols
/// on it.
const PLACEHOLDER: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 9\">\
    <rect width=\"16\" height=\"9\" fill=\"#223\"/></svg>\n";

/// The time until a retry of an image that is not rendered yet, in seconds.
const PLACEHOLDER_RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("2");

/// The resource that a target names.
pub enum Resource {
    /// Media, or any other content.
    Content(Content),
    /// A text, which may be sent in a content coding.
    Text(Text),
    /// An image that a job has not rendered yet, for a request that does not wait.
    PendingImage,
}

impl Resource {
    /// Writes the status and the fields of a response, and returns the status and the body.
    pub async fn write(
        self,
        method: &Method,
        fields: &impl Fields,
        site: &Site,
        head: &mut impl ResponseFields,
        waiting: Waiting,
    ) -> Result<(StatusCode, ResponseBody), Error> {
        match self {
            Self::Content(content) => {
                let written = respond::write(method, fields, &site.settings.load(), content, head);
                if let (_, ResponseBody::Extents(extents)) = &written
                    && *method == Method::GET
                {
                    wait_for_front(extents, waiting).await?;
                }
                Ok(written)
            }
            Self::Text(text) => {
                text_response::write(method, fields, site, text, head, waiting).await
            }
            Self::PendingImage => {
                Err(Error::NotReady("the image is not rendered yet, retry later"))
            }
        }
    }

    /// Responds in the App. With `?layout` the response is the list of the content's extents.
    pub async fn respond(self, request: &HttpRequest, site: &Site) -> Result<HttpResponse, Error> {
        let resource = match self {
            Self::PendingImage => return Ok(placeholder()),
            Self::Content(content) => {
                let query = Query::new(request.query_string());
                match extents_view::view(site, &content, query).await? {
                    Some(view) => Self::Text(view),
                    None => Self::Content(content),
                }
            }
            Self::Text(text) => Self::Text(text),
        };
        let mut response = HttpResponse::new(StatusCode::OK);
        let (method, fields) = (request.method(), request.headers());
        let written = resource.write(method, fields, site, &mut response, Waiting::Allowed);
        let (_, body) = written.await?;
        Ok(respond::with_body(request, response, body))
    }
}

/// Waits for the first byte of a file in a body, if it has to be fetched: once the head is sent, a failure can
/// only cut the connection.
async fn wait_for_front(extents: &Extents, waiting: Waiting) -> Result<(), Error> {
    let first = extents.iter().find_map(|extent| match extent {
        Extent::Source { source, range } => Some((source.as_file()?, range.start)),
        Extent::Memory(_) => None,
    });
    if let Some((file, offset)) = first
        && !file.can_begin(offset)
    {
        waiting.begin().await;
        file.begin(offset).await?;
    }
    Ok(())
}

fn placeholder() -> HttpResponse {
    HttpResponse::build(StatusCode::ACCEPTED)
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("image/svg+xml")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .insert_header((RETRY_AFTER, PLACEHOLDER_RETRY_AFTER_S))
        .body(PLACEHOLDER)
}
