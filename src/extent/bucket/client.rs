//! The requests that a bucket gets, and the checks of what it responds.
//!
//! Requests are ours, and only credentials and signatures are those of `object_store`: its `get` hides the
//! status of a 416 and a 503 and the moment of the first byte, and it compares neither the range nor the
//! ETag of a response with those of the request.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{self, HeaderName},
};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use object_store::client::HttpRequestBody;

use super::{
    address::{Address, BucketSettings, SettingsError},
    credentials::Credentials,
    error::{AttemptError, FetchError, Refusal},
    listing::Listed,
    transport::{self, Connect, Connection, Transport},
};
use crate::tls;

/// The most that is read of an error document.
const ERROR_BYTES_MAX: usize = 16 * 1024;

/// The most that is read of the response to a write.
const WRITE_RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// The longest wait that `Retry-After` may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// An object in one state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Opened {
    /// Its key.
    pub key: Arc<str>,
    /// Its ETag, with quotes.
    pub etag: Arc<str>,
    /// Its length in bytes.
    pub size: u64,
    /// Its version, if the bucket keeps versions.
    pub version_id: Option<Arc<str>>,
    /// Its Last-Modified.
    pub modified: Option<SystemTime>,
}

impl Opened {
    /// Whether a listing has the object in this state.
    pub(super) fn is_as(&self, listed: &Listed) -> bool {
        (&self.etag, self.size) == (&listed.etag, listed.size)
    }
}

/// A part of an object.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Range(Range<u64>),
    /// So many bytes at the end, or all.
    Last(u64),
}

/// A read.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub key: Arc<str>,
    pub part: Part,
    /// The state that the object must have, if one is known.
    pub state: Option<Opened>,
}

/// A response that is what the request wanted, as far as its head says.
#[derive(Debug)]
pub(super) struct Answer {
    pub object: Opened,
    /// Where the next byte of the body belongs.
    pub at: u64,
    end: u64,
    body: Incoming,
    /// `None` after an error.
    connection: Option<Connection>,
    transport: Arc<Transport>,
}

/// The client of a bucket.
#[derive(Debug)]
pub(super) struct Client {
    pub address: Address,
    credentials: Credentials,
    transport: Arc<Transport>,
    /// Reads name no versions, because the credentials do not allow it (`s3:GetObjectVersion`).
    ignores_versions: AtomicBool,
}

impl Client {
    /// A client of a bucket. Sends no request; reads the file of root certificates.
    pub(super) fn new(settings: &BucketSettings) -> Result<Self, SettingsError> {
        let tls = match &settings.ca_file {
            Some(file) => tls::connector_with_roots(file)
                .map_err(|error| SettingsError::CaFile { path: file.clone(), error })?,
            None => tls::connector().clone(),
        };
        let connect = transport::connect_with(tls);
        let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let address = Address::new(settings, environment)?;
        let file = settings.credentials_file.as_deref();
        let credentials = Credentials::new(file, &address.region, Arc::clone(&connect))?;
        Ok(Self::with(address, credentials, connect))
    }

    pub(super) fn with(address: Address, credentials: Credentials, connect: Connect) -> Self {
        let transport = Arc::new(Transport::new(address.server.clone(), connect));
        Self { address, credentials, transport, ignores_versions: AtomicBool::new(false) }
    }

    /// Reads a part of an object. The caller reads the body.
    pub(super) async fn get(&self, ask: &Ask, is_fresh: bool) -> Result<Answer, AttemptError> {
        let version = ask.state.as_ref().and_then(|state| state.version_id.as_deref());
        let version = version.filter(|_| !self.ignores_versions.load(Ordering::Relaxed));
        let answer = self.get_version(ask, version, is_fresh).await;
        match answer {
            Err(AttemptError::Final(FetchError::Credentials { status: Some(403), .. }))
                if version.is_some() =>
            {
                let answer = self.get_version(ask, None, is_fresh).await?;
                tracing::info!(
                    bucket = %self.address,
                    "the credentials allow no reads of versions (s3:GetObjectVersion)"
                );
                self.ignores_versions.store(true, Ordering::Relaxed);
                Ok(answer)
            }
            answer => answer,
        }
    }

    async fn get_version(
        &self,
        ask: &Ask,
        version: Option<&str>,
        is_fresh: bool,
    ) -> Result<Answer, AttemptError> {
        let range = match &ask.part {
            Part::Range(range) => format!("bytes={}-{}", range.start, range.end.saturating_sub(1)),
            Part::Last(bytes) => format!("bytes=-{bytes}"),
        };
        let mut fields = vec![(header::RANGE, range)];
        fields.extend(ask.state.as_ref().map(|state| (header::IF_MATCH, state.etag.to_string())));
        let url = self.address.object(&ask.key, version);
        let (response, connection) =
            self.send(Method::GET, &ask.key, url, fields, is_fresh).await?;
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(self.refused(response).await);
        }
        let (at, end, size) = content_range(response.headers())
            .ok_or(AttemptError::Wrong("a response without a valid Content-Range"))?;
        let object = object(&ask.key, size, response.headers())?;
        if let Some(state) = &ask.state
            && (state.etag != object.etag || state.size != size)
        {
            return Err(AttemptError::Final(FetchError::Changed));
        }
        let expected = match &ask.part {
            Part::Range(range) => range.start..range.end.min(size),
            Part::Last(bytes) => size.saturating_sub(*bytes)..size,
        };
        if (at..end) != expected {
            return Err(AttemptError::Wrong("a response for another range"));
        }
        if let Some(length) = content_length(response.headers())
            && length != end - at
        {
            return Err(AttemptError::Wrong("a response of another length"));
        }
        let body = response.into_body();
        let transport = Arc::clone(&self.transport);
        Ok(Answer { object, at, end, body, connection: Some(connection), transport })
    }

    /// The state of an object, without its bytes. If it had a `state` before, the bucket may respond that it
    /// has it still.
    pub(super) async fn head(
        &self,
        key: &Arc<str>,
        state: Option<&Opened>,
        is_fresh: bool,
    ) -> Result<Opened, AttemptError> {
        let url = self.address.object(key, None);
        let condition = state.map(|state| (header::IF_NONE_MATCH, state.etag.to_string()));
        let fields = condition.into_iter().collect();
        let (response, connection) = self.send(Method::HEAD, key, url, fields, is_fresh).await?;
        match (response.status(), state) {
            (StatusCode::OK, _) => {}
            (StatusCode::NOT_MODIFIED, Some(state)) => {
                self.transport.keep(connection);
                return Ok(state.clone());
            }
            _ => return Err(self.refused(response).await),
        }
        let size = content_length(response.headers())
            .ok_or(AttemptError::Wrong("a response without a length"))?;
        let object = object(key, size, response.headers())?;
        self.transport.keep(connection);
        Ok(object)
    }

    /// The content of a response of at most so many bytes, such as a page of the listing.
    pub(super) async fn document(
        &self,
        url: String,
        bytes_max: usize,
        is_fresh: bool,
    ) -> Result<Bytes, AttemptError> {
        let (response, connection) = self.send(Method::GET, "", url, vec![], is_fresh).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(response).await);
        }
        self.read_document(response.into_body(), bytes_max, connection).await
    }

    async fn read_document(
        &self,
        body: Incoming,
        bytes_max: usize,
        connection: Connection,
    ) -> Result<Bytes, AttemptError> {
        let document = Limited::new(body, bytes_max).collect().await;
        let document = document.map_err(AttemptError::connection)?.to_bytes();
        self.transport.keep(connection);
        Ok(document)
    }

    /// Sends a request that changes something. Returns the fields and the document of a response of success.
    pub(super) async fn write(
        &self,
        method: Method,
        key: &str,
        url: String,
        fields: Vec<(HeaderName, String)>,
        content: Bytes,
    ) -> Result<(HeaderMap, Bytes), AttemptError> {
        let sent = self.send_content(method, key, url, fields, content, false).await;
        let (response, connection) = sent?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let (head, body) = response.into_parts();
        let document = self.read_document(body, WRITE_RESPONSE_BYTES_MAX, connection).await?;
        Ok((head.headers, document))
    }

    /// Sends a request, and waits for the head of any response.
    pub(super) async fn send(
        &self,
        method: Method,
        key: &str,
        url: String,
        fields: Vec<(HeaderName, String)>,
        is_fresh: bool,
    ) -> Result<(Response<Incoming>, Connection), AttemptError> {
        self.send_content(method, key, url, fields, Bytes::new(), is_fresh).await
    }

    async fn send_content(
        &self,
        method: Method,
        key: &str,
        url: String,
        fields: Vec<(HeaderName, String)>,
        content: Bytes,
        is_fresh: bool,
    ) -> Result<(Response<Incoming>, Connection), AttemptError> {
        // Such segments vanish from the path of a URL, so that the request would be for another object.
        if key.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(AttemptError::Final(FetchError::NotFound));
        }
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in fields {
            request = request.header(name, value);
        }
        let request = request
            .header(header::USER_AGENT, concat!("headwater/", env!("CARGO_PKG_VERSION")))
            .body(match content.is_empty() {
                true => HttpRequestBody::empty(),
                false => HttpRequestBody::from(content),
            });
        // A key with more than a URL can have.
        let mut request = request.map_err(|_| AttemptError::Final(FetchError::NotFound))?;
        self.credentials.sign(&mut request).await?;
        self.transport.send(request, is_fresh).await
    }

    /// The error of a response that is not the wanted one.
    async fn refused(&self, response: Response<Incoming>) -> AttemptError {
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        let code = match Limited::new(body, ERROR_BYTES_MAX).collect().await {
            Ok(document) => error_code(&document.to_bytes()),
            Err(_) => None,
        };
        let code = code.as_deref().unwrap_or_default();
        let refused = |refusal| AttemptError::Final(FetchError::Refused(refusal));
        match (status, code) {
            (404, "NoSuchBucket") => refused(Refusal::NoSuchBucket),
            (404 | 410, _) => AttemptError::Final(FetchError::NotFound),
            (412, _) => AttemptError::Final(FetchError::Changed),
            (416, _) => AttemptError::Unsatisfiable,
            (403, "InvalidObjectState") => refused(Refusal::Archived),
            (301 | 307, _)
            | (400, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
                refused(Refusal::OtherRegion)
            }
            (401 | 403, _) | (400, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => {
                let reason =
                    if code.is_empty() { format!("status {status}") } else { code.to_owned() };
                let (status, reason) = (Some(status), reason.into());
                AttemptError::Final(FetchError::Credentials { status, reason })
            }
            // The only request of ours that lacks something is that for an object with a customer key.
            (400, "InvalidRequest") => refused(Refusal::CustomerKey),
            // Some servers send all of an empty object in place of its last bytes.
            (200, _) if content_length(&head.headers) == Some(0) => AttemptError::Unsatisfiable,
            (200, _) => AttemptError::Wrong("the whole object in place of a range"),
            (429 | 500..=599, _) => {
                AttemptError::Status { status, retry_after: retry_after(&head.headers) }
            }
            _ => AttemptError::Wrong("a response with an unexpected status"),
        }
    }
}

impl Answer {
    /// The next bytes of the body; `None` at its end. An end before the last byte that the head promised is
    /// an error, also if the server ended the response cleanly.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, AttemptError> {
        loop {
            let frame = match self.body.frame().await {
                Some(frame) => frame.map_err(|error| self.broken(error))?,
                None if self.at == self.end => {
                    if let Some(connection) = self.connection.take() {
                        self.transport.keep(connection);
                    }
                    return Ok(None);
                }
                None => return Err(self.broken("the response ended early")),
            };
            let Ok(bytes) = frame.into_data() else {
                continue;
            };
            let left = self.end - self.at;
            if u64::try_from(bytes.len()).map_or(true, |length| length > left) {
                self.connection = None;
                return Err(AttemptError::Wrong("more bytes than promised"));
            }
            self.at += bytes.len() as u64;
            return Ok(Some(bytes));
        }
    }

    fn broken(&mut self, error: impl ToString) -> AttemptError {
        self.connection = None;
        AttemptError::connection(error)
    }
}

/// The state of an object by the fields of a response.
fn object(key: &Arc<str>, size: u64, fields: &HeaderMap) -> Result<Opened, AttemptError> {
    let field = |name: &str| fields.get(name)?.to_str().ok();
    if field("x-amz-server-side-encryption-customer-algorithm").is_some() {
        return Err(AttemptError::Final(FetchError::Refused(Refusal::CustomerKey)));
    }
    let coding = field("content-encoding").unwrap_or_default();
    // `aws-chunked` describes how the object was uploaded; some servers keep it.
    if !matches!(coding.trim(), "" | "identity" | "aws-chunked") {
        return Err(AttemptError::Final(FetchError::Refused(Refusal::ContentEncoding)));
    }
    let etag = field("etag").filter(|etag| !etag.is_empty());
    Ok(Opened {
        key: Arc::clone(key),
        etag: quoted(etag.ok_or(AttemptError::Wrong("a response without an ETag"))?),
        size,
        version_id: field("x-amz-version-id").map(Into::into),
        modified: field("last-modified").and_then(|date| httpdate::parse_http_date(date).ok()),
    })
}

/// An ETag with its quotes, which some servers leave out, in listings or everywhere.
pub(super) fn quoted(etag: &str) -> Arc<str> {
    match etag.ends_with('"') {
        true => etag.into(),
        false => format!("\"{etag}\"").into(),
    }
}

/// First byte, end and size of `Content-Range: bytes 0-9/100`.
fn content_range(fields: &HeaderMap) -> Option<(u64, u64, u64)> {
    let range = fields.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (range, size) = range.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, size) = (first.parse::<u64>().ok()?, size.parse::<u64>().ok()?);
    let end = last.parse::<u64>().ok()?.checked_add(1)?;
    (first < end && end <= size).then_some((first, end, size))
}

fn content_length(fields: &HeaderMap) -> Option<u64> {
    fields.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// `Retry-After` in seconds. No bucket sends the form with a date.
fn retry_after(fields: &HeaderMap) -> Option<Duration> {
    let seconds = fields.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// `<Code>` of an error document.
fn error_code(document: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(document).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    // It goes into logs and messages.
    code.bytes().all(|byte| byte.is_ascii_alphanumeric()).then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(value: &str) -> Option<(u64, u64, u64)> {
        let mut fields = HeaderMap::new();
        fields.insert(header::CONTENT_RANGE, value.parse().expect("a valid field"));
        content_range(&fields)
    }

    #[test]
    fn only_a_range_inside_of_the_object_is_valid() {
        assert_eq!(range("bytes 0-9/100"), Some((0, 10, 100)));
        assert_eq!(range("bytes 99-99/100"), Some((99, 100, 100)));
        for invalid in [
            "bytes 10-9/100",
            "bytes 0-100/100",
            "bytes 0-9/*",
            "bytes */100",
            "0-9/100",
            "bytes 0-18446744073709551615/18446744073709551615",
            "bytes -1-9/100",
        ] {
            assert_eq!(range(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn the_code_of_an_error_document_is_a_word() {
        let code = |text: &str| error_code(text.as_bytes());
        assert_eq!(code("<Error><Code>NoSuchKey</Code></Error>").as_deref(), Some("NoSuchKey"));
        assert_eq!(code("<Error><Code>two words\n</Code></Error>"), None);
        assert_eq!(code("<html>"), None);
    }
}
