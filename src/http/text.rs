//! Text as an answer: like any content, and in a coding where the client takes one.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method,
        header::{CONTENT_ENCODING, HeaderValue, RANGE, VARY},
    },
};
use bytes::Bytes;

use super::{
    Error, Site,
    coding::{self, Coding},
    conditional::{self, State, Verdict},
    respond::respond,
};
use crate::extent::{Caching, Content, Extent, Extents, Validator};

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
    fn form(&self, coding: Coding) -> &OnceLock<Bytes> {
        match coding {
            Coding::Gzip => &self.gzip,
            Coding::Brotli => &self.brotli,
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

    /// The text in a coding, as it was kept or made now.
    async fn coded(&self, site: &Site, coding: Coding) -> Result<Bytes, Error> {
        let kept = self.coded.as_ref().map(|coded| coded.form(coding));
        if let Some(bytes) = kept.and_then(OnceLock::get) {
            return Ok(bytes.clone());
        }
        let bytes = self.bytes.clone();
        let coded = site.run_beside(move || coding.encode(&bytes)).await?;
        Ok(kept.map_or(coded.clone(), |kept| kept.get_or_init(|| coded).clone()))
    }
}

/// Answers with a text. A request for a range gets it of the uncoded text.
pub async fn respond_text(
    request: &HttpRequest,
    site: &Site,
    text: Text,
) -> Result<HttpResponse, Error> {
    let is_codable = coding::applies_to(text.media_type, text.bytes.len());
    let coding = coding::negotiate(request.headers());
    let wants_part = request.method() == Method::GET && request.headers().contains_key(RANGE);
    let coding = coding.filter(|_| is_codable && !wants_part);
    let (mut bytes, mut validator) = (text.bytes.clone(), text.validator.clone());
    if let Some(coding) = coding {
        validator = validator.with_coding(coding.name());
        let now = SystemTime::now();
        let last_modified = text.last_modified.and_then(|time| conditional::http_time(time, now));
        let state = State { validator: Some(&validator), last_modified };
        // What will not be sent need not be coded.
        if conditional::evaluate(request.method(), request.headers(), state) == Verdict::Proceed {
            bytes = text.coded(site, coding).await?;
        }
    }
    let content = Content {
        extents: Extents::of(Extent::Memory(bytes)),
        validator: Some(validator),
        last_modified: text.last_modified,
        media_type: text.media_type,
        caching: text.caching,
    };
    let mut response = respond(request, &site.settings.load(), content);
    if is_codable {
        response.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if let Some(coding) = coding.filter(|_| response.status().is_success()) {
        let name = HeaderValue::from_static(coding.name());
        response.headers_mut().insert(CONTENT_ENCODING, name);
    }
    Ok(response)
}
