//! Text as an answer: like any content, and in a coding where the client takes one.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, OnceLock},
    time::SystemTime,
};

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
    fields::{AnswerFields, Fields},
    respond::{self, Answer, respond},
};
use crate::{
    config::Settings,
    extent::{Caching, Content, Extent, Extents, Validator},
};

/// A text that is in memory.
#[derive(Clone, Debug)]
pub struct Text {
    /// Its bytes, uncoded.
    pub bytes: Bytes,
    /// The media type, parameters included.
    pub media_type: &'static str,
    /// Names the uncoded bytes.
    pub validator: Validator,
    /// When it was last changed, if that is known.
    pub last_modified: Option<SystemTime>,
    /// Who may keep it.
    pub caching: Caching,
    /// Its coded forms, once somebody has asked for them; for a text that is kept.
    coded: Option<Arc<Coded>>,
}

#[derive(Debug, Default)]
struct Coded {
    gzip: OnceLock<Bytes>,
    brotli: OnceLock<Bytes>,
}

impl Coded {
    fn form(&self, coding: ContentCoding) -> &OnceLock<Bytes> {
        match coding {
            ContentCoding::Gzip => &self.gzip,
            ContentCoding::Brotli => &self.brotli,
        }
    }
}

impl Text {
    /// A text that was made just now.
    pub fn made(bytes: impl Into<Bytes>, media_type: &'static str, caching: Caching) -> Self {
        let bytes = bytes.into();
        // Equal bytes have equal tags on every node that runs the same build, which is all that a
        // page and a list need; media are named by their version instead.
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let validator = Validator::new(&format!("{:016x}", hasher.finish()));
        Self { bytes, media_type, validator, last_modified: None, caching, coded: None }
    }

    /// As [`made`](Self::made), of something that is worth to be kept with its coded forms.
    pub fn kept(
        bytes: impl Into<Bytes>,
        media_type: &'static str,
        caching: Caching,
        last_modified: Option<SystemTime>,
    ) -> Self {
        let coded = Some(Arc::default());
        Self { last_modified, coded, ..Self::made(bytes, media_type, caching) }
    }

    /// A file that is a text.
    pub fn of_file(
        bytes: Bytes,
        media_type: &'static str,
        validator: Validator,
        last_modified: SystemTime,
    ) -> Self {
        let (last_modified, caching) = (Some(last_modified), Caching::File);
        Self { bytes, media_type, validator, last_modified, caching, coded: None }
    }

    /// The form of the text that a request gets. One for a range gets it of the uncoded text.
    fn form(&self, method: &Method, fields: &impl Fields) -> Form {
        let is_codable = content_coding::applies_to(self.media_type, self.bytes.len());
        let wants_part = *method == Method::GET && fields.has(&RANGE);
        let coding = content_coding::negotiate(fields).filter(|_| is_codable && !wants_part);
        let validator = match coding {
            Some(coding) => self.validator.with_coding(coding.name()),
            None => self.validator.clone(),
        };
        Form { coding, is_codable, validator }
    }

    /// The text in the coding of a form, if nothing has to be coded for it now.
    fn bytes_now(&self, method: &Method, fields: &impl Fields, form: &Form) -> Option<Bytes> {
        let Some(coding) = form.coding else {
            return Some(self.bytes.clone());
        };
        if let Some(bytes) = self.kept_form(coding).and_then(OnceLock::get) {
            return Some(bytes.clone());
        }
        let now = SystemTime::now();
        let last_modified = self.last_modified.and_then(|time| conditional::http_time(time, now));
        let state = State { validator: Some(&form.validator), last_modified };
        // What will not be sent need not be coded.
        let is_sent = conditional::evaluate(method, fields, state) == Verdict::Proceed;
        (!is_sent).then(|| self.bytes.clone())
    }

    fn kept_form(&self, coding: ContentCoding) -> Option<&OnceLock<Bytes>> {
        self.coded.as_ref().map(|coded| coded.form(coding))
    }

    /// The text in a coding, made now and kept if the text is.
    async fn code(&self, site: &Site, coding: ContentCoding) -> Result<Bytes, Error> {
        let bytes = self.bytes.clone();
        let coded = site.spawn_blocking_limited(move || coding.encode(&bytes)).await?;
        let kept = self.kept_form(coding);
        Ok(kept.map_or(coded.clone(), |kept| kept.get_or_init(|| coded).clone()))
    }

    fn content(self, form: &Form, bytes: Bytes) -> Content {
        Content {
            extents: Extents::from(Extent::Memory(bytes)),
            validator: Some(form.validator.clone()),
            last_modified: self.last_modified,
            media_type: self.media_type,
            caching: self.caching,
        }
    }
}

/// In which form a text is sent.
struct Form {
    coding: Option<ContentCoding>,
    /// Whether others may get it in another.
    is_codable: bool,
    validator: Validator,
}

impl Form {
    /// Says in a head which form it is, and that there are others.
    fn put(&self, status: StatusCode, head: &mut impl AnswerFields) {
        if self.is_codable {
            head.put(&VARY, b"Accept-Encoding");
        }
        if let Some(coding) = self.coding.filter(|_| status.is_success()) {
            head.put(&CONTENT_ENCODING, coding.name().as_bytes());
        }
    }
}

/// Answers with a text.
pub async fn respond_text(
    request: &HttpRequest,
    site: &Site,
    text: Text,
) -> Result<HttpResponse, Error> {
    let form = text.form(request.method(), request.headers());
    let bytes = match (text.bytes_now(request.method(), request.headers(), &form), form.coding) {
        (None, Some(coding)) => text.code(site, coding).await?,
        (bytes, _) => bytes.unwrap_or_else(|| text.bytes.clone()),
    };
    let mut response = respond(request, &site.settings.load(), text.content(&form, bytes));
    form.put(response.status(), &mut response);
    Ok(response)
}

/// Writes the head of an answer with a text, unless it has to be coded first.
pub fn answer_text(
    method: &Method,
    request: &impl Fields,
    settings: &Settings,
    text: Text,
    head: &mut impl AnswerFields,
) -> Option<(StatusCode, Answer)> {
    let form = text.form(method, request);
    let bytes = text.bytes_now(method, request, &form)?;
    let (status, answer) =
        respond::answer(method, request, settings, text.content(&form, bytes), head);
    form.put(status, head);
    Some((status, answer))
}
