//! What a bucket can do, for `headwater check`.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::future::join3;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use super::{
    address::{BucketSettings, SettingsError},
    client::{Ask, Client, Part},
    error::{AttemptError, FetchError},
    listing,
};

/// Objects of the page that a probe lists.
const KEYS: usize = 100;

/// The most that is read of a document about the bucket.
const DOCUMENT_BYTES_MAX: usize = 256 << 10;

/// An ETag that no object has.
const OTHER_ETAG: &str = "\"headwater-check\"";

/// What a bucket responded to a probe.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The key of an object with content; `None` if the first page has none.
    pub listed: Result<Option<Arc<str>>, FetchError>,
    /// Whether that object can be read.
    pub read: Option<Result<(), FetchError>>,
    /// Whether a read of another ETag than the object's is refused.
    pub refuses_other_etag: Option<bool>,
    /// Whether the bucket keeps versions; `None` if it does not say.
    pub keeps_versions: Option<bool>,
    /// Whether a rule removes unfinished uploads; `None` if the bucket does not say.
    pub removes_unfinished_uploads: Option<bool>,
    /// The bucket's time and this machine's, at the same moment.
    pub times: Option<(SystemTime, SystemTime)>,
}

/// Asks a bucket for a page of its listing, for a byte of an object, and for its properties. A response may
/// take as long as `deadline`.
pub async fn probe(
    settings: &BucketSettings,
    prefix: &str,
    deadline: Duration,
) -> Result<Probe, SettingsError> {
    let bucket = Probed { client: Client::new(settings)?, deadline };
    let listed = bucket.list(prefix).await;
    let mut probe = Probe {
        listed,
        read: None,
        refuses_other_etag: None,
        keeps_versions: None,
        removes_unfinished_uploads: None,
        times: None,
    };
    if let Err(FetchError::Unavailable { .. }) = probe.listed {
        return Ok(probe);
    }
    let object = async {
        match &probe.listed {
            Ok(Some(key)) => Some((bucket.read(key).await, bucket.refuses_other_etag(key).await)),
            _ => None,
        }
    };
    let (versioning, lifecycle) = (bucket.property("versioning"), bucket.property("lifecycle"));
    let (object, versioning, lifecycle) = join3(object, versioning, lifecycle).await;
    if let Some((read, refuses)) = object {
        probe.read = Some(read);
        probe.refuses_other_etag = refuses;
    }
    if let Some(Property { status, fields, document }) = versioning {
        let is_enabled = document.contains("<Status>Enabled</Status>");
        probe.keeps_versions = (status == StatusCode::OK).then_some(is_enabled);
        probe.times = date(&fields).map(|date| (date, SystemTime::now()));
    }
    if let Some(Property { status, document, .. }) = lifecycle {
        probe.removes_unfinished_uploads = match status {
            StatusCode::OK => Some(document.contains("AbortIncompleteMultipartUpload")),
            StatusCode::NOT_FOUND => Some(false),
            _ => None,
        };
    }
    Ok(probe)
}

/// A bucket that is probed.
struct Probed {
    client: Client,
    deadline: Duration,
}

/// The response to a request for a property of a bucket.
struct Property {
    status: StatusCode,
    fields: HeaderMap,
    document: String,
}

impl Probed {
    async fn within<T>(
        &self,
        response: impl Future<Output = Result<T, AttemptError>>,
    ) -> Result<T, FetchError> {
        let response = timeout(self.deadline, response).await;
        response.map_err(|_elapsed| FetchError::timeout())?.map_err(FetchError::from)
    }

    async fn list(&self, prefix: &str) -> Result<Option<Arc<str>>, FetchError> {
        let url = self.client.address.listing(prefix, None, KEYS);
        let document = self.client.document(url, listing::PAGE_BYTES_MAX, false);
        let document = self.within(document).await?;
        let page = listing::parse(&document)?;
        let object = page.objects.into_iter().find(|object| object.size > 0 && !object.is_archived);
        Ok(object.map(|object| object.key))
    }

    async fn read(&self, key: &Arc<str>) -> Result<(), FetchError> {
        let ask = Ask { key: Arc::clone(key), part: Part::Range(0..1), state: None };
        self.within(self.client.get(&ask, false)).await.map(drop)
    }

    async fn refuses_other_etag(&self, key: &str) -> Option<bool> {
        let url = self.client.address.object(key, None);
        let fields = vec![
            (header::RANGE, "bytes=0-0".to_owned()),
            (header::IF_MATCH, OTHER_ETAG.to_owned()),
        ];
        let response = self.client.send(Method::GET, key, url, fields, false);
        let (response, _connection) = self.within(response).await.ok()?;
        match response.status() {
            StatusCode::PRECONDITION_FAILED => Some(true),
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Some(false),
            _ => None,
        }
    }

    async fn property(&self, name: &str) -> Option<Property> {
        let url = format!("{}/?{name}", self.client.address);
        let read = async {
            let response = self.client.send(Method::GET, "", url, vec![], false).await?;
            let (head, body) = response.0.into_parts();
            let document = Limited::new(body, DOCUMENT_BYTES_MAX).collect().await;
            let document: Bytes = document.map_err(AttemptError::connection)?.to_bytes();
            let document = String::from_utf8_lossy(&document).into_owned();
            Ok(Property { status: head.status, fields: head.headers, document })
        };
        self.within(read).await.ok()
    }
}

fn date(fields: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(fields.get(header::DATE)?.to_str().ok()?).ok()
}
