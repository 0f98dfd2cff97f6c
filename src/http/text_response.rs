//! The response with a text: like any content, and in a content coding that the client accepts.

use std::{sync::OnceLock, time::SystemTime};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{CONTENT_ENCODING, RANGE, VARY},
    },
};
use bytes::Bytes;

use super::{
    Error, Site,
    conditional::{self, State, Verdict},
    content_coding::{self, ContentCoding},
    fields::{Fields, ResponseFields},
    resource::Resource,
    respond::{self, ResponseBody},
};
pub use crate::extent::Text;
use crate::{
    extent::{Content, Extent, Extents, Validator, text::CodedForms},
    titles::readiness::Waiting,
};

/// Responds with a text, in the App.
pub async fn respond_text(
    request: &HttpRequest,
    site: &Site,
    text: Text,
) -> Result<HttpResponse, Error> {
    Resource::Text(text).respond(request, site).await
}

/// Writes the status and the fields of a response with a text, and returns the status and the body. Waits if
/// the text has to be encoded first.
pub async fn write(
    method: &Method,
    fields: &impl Fields,
    site: &Site,
    text: Text,
    head: &mut impl ResponseFields,
    waiting: Waiting,
) -> Result<(StatusCode, ResponseBody), Error> {
    let form = Form::negotiate(method, fields, &text);
    let bytes = match form.coding {
        Some(coding) => coded(method, fields, site, &text, (coding, &form), waiting).await?,
        None => text.bytes.clone(),
    };
    let content = Content {
        extents: Extents::from(Extent::Memory(bytes)),
        validator: Some(form.validator.clone()),
        last_modified: text.last_modified,
        media_type: text.media_type,
        caching: text.caching,
    };
    let (status, body) = respond::write(method, fields, &site.settings.load(), content, head);
    form.put(status, head);
    Ok((status, body))
}

/// The text in a coding: cached, or encoded now, and then cached if the text is.
async fn coded(
    method: &Method,
    fields: &impl Fields,
    site: &Site,
    text: &Text,
    (coding, form): (ContentCoding, &Form),
    waiting: Waiting,
) -> Result<Bytes, Error> {
    let kept = text.coded.as_ref().map(|forms| kept_form(forms, coding));
    if let Some(bytes) = kept.and_then(OnceLock::get) {
        return Ok(bytes.clone());
    }
    let last_modified =
        text.last_modified.and_then(|time| conditional::http_time(time, SystemTime::now()));
    let state = State { validator: Some(&form.validator), last_modified };
    if conditional::evaluate(method, fields, state) != Verdict::Proceed {
        // The response has no body.
        return Ok(text.bytes.clone());
    }
    waiting.begin().await;
    let bytes = text.bytes.clone();
    let coded = Box::pin(site.spawn_blocking_limited(move || coding.encode(&bytes))).await?;
    Ok(kept.map_or(coded.clone(), |kept| kept.get_or_init(|| coded).clone()))
}

fn kept_form(forms: &CodedForms, coding: ContentCoding) -> &OnceLock<Bytes> {
    match coding {
        ContentCoding::Gzip => &forms.gzip,
        ContentCoding::Brotli => &forms.brotli,
    }
}

/// The form in which a text is sent.
struct Form {
    coding: Option<ContentCoding>,
    /// Whether other requests may get another form.
    is_codable: bool,
    validator: Validator,
}

impl Form {
    /// Chooses the form for a request. A range is one of the uncoded text.
    fn negotiate(method: &Method, fields: &impl Fields, text: &Text) -> Self {
        let is_codable = content_coding::applies_to(text.media_type, text.bytes.len());
        let wants_part = *method == Method::GET && fields.has(&RANGE);
        let coding = content_coding::negotiate(fields).filter(|_| is_codable && !wants_part);
        let validator = match coding {
            Some(coding) => text.validator.with_coding(coding.name()),
            None => text.validator.clone(),
        };
        Self { coding, is_codable, validator }
    }

    /// Adds the fields that name the form (Content-Encoding) and announce others (Vary).
    fn put(&self, status: StatusCode, head: &mut impl ResponseFields) {
        if self.is_codable {
            head.put(&VARY, b"Accept-Encoding");
        }
        if let Some(coding) = self.coding.filter(|_| status.is_success()) {
            head.put(&CONTENT_ENCODING, coding.name().as_bytes());
        }
    }
}
