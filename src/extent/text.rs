//! A text in memory, with its coded forms.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use bytes::Bytes;

use super::{Caching, Validator};

/// A text in memory: a playlist, a manifest, subtitles, JSON.
#[derive(Clone, Debug)]
pub struct Text {
    /// The uncoded bytes.
    pub bytes: Bytes,
    /// The media type, parameters included.
    pub media_type: &'static str,
    /// The validator of the uncoded bytes.
    pub validator: Validator,
    /// The time of the last change, if known.
    pub last_modified: Option<SystemTime>,
    /// The lifetime in caches.
    pub caching: Caching,
    /// The coded forms, each encoded at the first request for it; `None` for a text that is not cached.
    pub coded: Option<Arc<CodedForms>>,
}

/// A text in the content codings that Headwater writes.
#[derive(Debug, Default)]
pub struct CodedForms {
    /// gzip.
    pub gzip: OnceLock<Bytes>,
    /// Brotli.
    pub brotli: OnceLock<Bytes>,
}

impl Text {
    /// A text for one response.
    pub fn new(bytes: impl Into<Bytes>, media_type: &'static str, caching: Caching) -> Self {
        let bytes = bytes.into();
        // Equal bytes have equal tags on every node that runs the same build, which is enough for the
        // page and for lists; the tags of media come from their version.
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let validator = Validator::new(&format!("{:016x}", hasher.finish()));
        Self { bytes, media_type, validator, last_modified: None, caching, coded: None }
    }

    /// A text for many responses, cached with its coded forms.
    pub fn kept(
        bytes: impl Into<Bytes>,
        media_type: &'static str,
        caching: Caching,
        last_modified: Option<SystemTime>,
    ) -> Self {
        let coded = Some(Arc::default());
        Self { last_modified, coded, ..Self::new(bytes, media_type, caching) }
    }

    /// The content of a text file.
    pub fn from_file(
        bytes: Bytes,
        media_type: &'static str,
        validator: Validator,
        last_modified: SystemTime,
    ) -> Self {
        let (last_modified, caching) = (Some(last_modified), Caching::File);
        Self { bytes, media_type, validator, last_modified, caching, coded: None }
    }
}
