//! Writes objects: small ones whole, large ones in parts, with at most one part in memory.
//!
//! An object appears as a whole once its upload is complete, and a write that is repeated has the same result.
//! The response to an upload in parts is not trusted: the object is looked up afterwards.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, Method,
    header::{self, HeaderName},
};
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{
    address::{BucketSettings, SettingsError},
    client::Client,
    error::{AttemptError, FetchError},
    listing::{self, Page},
    retry::jitter,
};

/// The length of a part, and the longest object that is sent whole.
const PART_BYTES: u64 = 8 << 20;

/// The most parts of an object, by S3.
const PARTS_MAX: u64 = 10_000;

/// The attempts at a request. Between two of them a wait, which doubles.
const ATTEMPTS_MAX: u32 = 9;
const BACKOFF_MIN: Duration = Duration::from_millis(250);

/// The longest time of a request: this, and that of its content at the slowest speed that is accepted.
const TIMEOUT: Duration = Duration::from_secs(30);
const BYTES_PER_SECOND_MIN: u64 = 128 << 10;

/// The most bytes of an object that [`Writer::read`] reads.
const READ_BYTES_MAX: usize = 64 << 10;

/// Writes and removes objects of a bucket.
#[derive(Debug)]
pub struct Writer {
    client: Client,
    part_bytes: u64,
}

impl Writer {
    /// A writer of a bucket. Sends no request; reads the file of root certificates.
    pub fn new(bucket: &BucketSettings) -> Result<Self, SettingsError> {
        Ok(Self { client: Client::new(bucket)?, part_bytes: PART_BYTES })
    }

    /// Puts a file as an object. Returns its length.
    ///
    /// # Errors
    /// If the file cannot be read, or the bucket does not take it.
    pub async fn put_file(&self, key: &str, path: &Path) -> io::Result<u64> {
        let path = path.to_owned();
        let (file, size) = blocking(move || {
            let file = File::open(path)?;
            let size = file.metadata()?.len();
            Ok((Arc::new(file), size))
        })
        .await?;
        if size <= self.part_bytes {
            self.put(key, read_part(&file, 0, size).await?).await?;
            return Ok(size);
        }
        let upload_id = self.begin_upload(key).await?;
        let uploaded = self.put_parts(key, &upload_id, &file, size).await;
        if uploaded.is_err() {
            let url = self.client.address.upload(key, &upload_id, None);
            // Else a lifecycle rule removes it.
            let _ = self.attempt(Method::DELETE, key, &url, &[], &Bytes::new()).await;
        }
        uploaded?;
        Ok(size)
    }

    /// Puts an object.
    ///
    /// # Errors
    /// If the bucket does not take it.
    pub async fn put(&self, key: &str, content: Bytes) -> io::Result<()> {
        let url = self.client.address.object(key, None);
        self.write(Method::PUT, key, &url, &[], content).await.map(drop).map_err(io_error)
    }

    /// Puts an object, unless there is one under the key. Not every server obeys that: who needs to know which
    /// object is there reads it.
    ///
    /// # Errors
    /// If the bucket does not respond.
    pub async fn put_new(&self, key: &str, content: Bytes) -> io::Result<()> {
        let url = self.client.address.object(key, None);
        let fields = [(header::IF_NONE_MATCH, "*".to_owned())];
        match self.write(Method::PUT, key, &url, &fields, content).await {
            Ok(_) | Err(FetchError::Changed) => Ok(()),
            Err(error) => Err(io_error(error)),
        }
    }

    /// The content of a small object; `None` if there is none.
    ///
    /// # Errors
    /// If it is not small, or the bucket does not respond.
    pub async fn read(&self, key: &str) -> io::Result<Option<Bytes>> {
        let url = self.client.address.object(key, None);
        let read = self.retry(TIMEOUT, || self.client.document(url.clone(), READ_BYTES_MAX, false));
        match read.await {
            Ok(content) => Ok(Some(content)),
            Err(FetchError::NotFound) => Ok(None),
            Err(error) => Err(io_error(error)),
        }
    }

    /// Removes an object, if it is there.
    ///
    /// # Errors
    /// If the bucket does not respond, or refuses.
    pub async fn remove(&self, key: &str) -> io::Result<()> {
        let url = self.client.address.object(key, None);
        match self.write(Method::DELETE, key, &url, &[], Bytes::new()).await {
            Ok(_) | Err(FetchError::NotFound) => Ok(()),
            Err(error) => Err(io_error(error)),
        }
    }

    /// A page of the listing: objects with a prefix, behind the key `after`.
    ///
    /// # Errors
    /// If the bucket does not respond, or sends no listing.
    pub async fn page(&self, prefix: &str, after: Option<&str>) -> io::Result<Page> {
        let url = self.client.address.listing(prefix, after, listing::PAGE_KEYS_MAX);
        let page = || {
            let page = self.client.document(url.clone(), listing::PAGE_BYTES_MAX, false);
            async move { listing::parse(&page.await?) }
        };
        self.retry(TIMEOUT, page).await.map_err(io_error)
    }

    async fn begin_upload(&self, key: &str) -> io::Result<String> {
        let url = format!("{}?uploads", self.client.address.object(key, None));
        let begun = self.write(Method::POST, key, &url, &[], Bytes::new()).await;
        let (_, document) = begun.map_err(io_error)?;
        let upload_id = element(&document, "UploadId");
        upload_id.ok_or_else(|| io_error(FetchError::Broken("an upload without an id")))
    }

    /// Puts the parts of an object, one after the other, and completes it.
    async fn put_parts(
        &self,
        key: &str,
        upload_id: &str,
        file: &Arc<File>,
        size: u64,
    ) -> io::Result<()> {
        let part_bytes = self.part_bytes.max(size.div_ceil(PARTS_MAX));
        let mut parts = String::from("<CompleteMultipartUpload>");
        let (mut at, mut number) = (0, 1);
        while at < size {
            let end = size.min(at + part_bytes);
            let part = read_part(file, at, end - at).await?;
            let url = self.client.address.upload(key, upload_id, Some(number));
            let put = self.write(Method::PUT, key, &url, &[], part).await;
            let (fields, _) = put.map_err(io_error)?;
            let etag = fields.get(header::ETAG).and_then(|etag| etag.to_str().ok());
            let etag =
                etag.ok_or_else(|| io_error(FetchError::Broken("a part without an ETag")))?;
            let etag = etag.replace('"', "&quot;");
            parts += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
            (at, number) = (end, number + 1);
        }
        parts += "</CompleteMultipartUpload>";
        let url = self.client.address.upload(key, upload_id, None);
        let fields = [(header::CONTENT_TYPE, "application/xml".to_owned())];
        match self.write(Method::POST, key, &url, &fields, parts.into()).await {
            // An earlier attempt completed it, and its response was lost; or there never was such an upload.
            Ok(_) | Err(FetchError::NotFound) => self.check_size(key, size).await,
            Err(error) => Err(io_error(error)),
        }
    }

    /// Checks that an object is whole. A completed upload may respond with 200 and an error.
    async fn check_size(&self, key: &str, size: u64) -> io::Result<()> {
        let key: Arc<str> = key.into();
        let head = self.retry(TIMEOUT, || self.client.head(&key, None, false)).await;
        match head.map_err(io_error)?.size == size {
            true => Ok(()),
            false => Err(io_error(FetchError::Broken("an object of another length than was sent"))),
        }
    }

    async fn write(
        &self,
        method: Method,
        key: &str,
        url: &str,
        fields: &[(HeaderName, String)],
        content: Bytes,
    ) -> Result<(HeaderMap, Bytes), FetchError> {
        let limit = TIMEOUT + Duration::from_secs(content.len() as u64 / BYTES_PER_SECOND_MIN);
        self.retry(limit, || self.attempt(method.clone(), key, url, fields, &content)).await
    }

    async fn attempt(
        &self,
        method: Method,
        key: &str,
        url: &str,
        fields: &[(HeaderName, String)],
        content: &Bytes,
    ) -> Result<(HeaderMap, Bytes), AttemptError> {
        self.client.write(method, key, url.to_owned(), fields.to_vec(), content.clone()).await
    }

    /// The first success of several attempts, each within a time.
    async fn retry<T, F: Future<Output = Result<T, AttemptError>>>(
        &self,
        limit: Duration,
        request: impl Fn() -> F,
    ) -> Result<T, FetchError> {
        let (mut backoff, mut attempts) = (BACKOFF_MIN, 0);
        loop {
            attempts += 1;
            let result = timeout(limit, request()).await.unwrap_or(Err(AttemptError::Silent));
            let error = match result {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            if attempts >= ATTEMPTS_MAX || !error.is_failure() {
                return Err(error.into());
            }
            tracing::debug!(bucket = %self.client.address, ?error, "request failed, retrying");
            sleep(error.retry_after().unwrap_or_default().max(backoff + jitter())).await;
            backoff *= 2;
        }
    }
}

fn io_error(error: FetchError) -> io::Error {
    let kind = match &error {
        FetchError::NotFound => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

async fn read_part(file: &Arc<File>, at: u64, bytes: u64) -> io::Result<Bytes> {
    let file = Arc::clone(file);
    blocking(move || {
        let mut part = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        file.read_exact_at(&mut part, at)?;
        Ok(part.into())
    })
    .await
}

async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(call).await.map_err(io::Error::other).flatten()
}

/// The text of the only element of this name.
fn element(document: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(document).ok()?;
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    (!text.is_empty() && !text.contains(['<', '&'])).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_an_upload_is_found() {
        let document = "<R xmlns=\"x\"><Key>a</Key><UploadId>a-B_1.~=/+</UploadId></R>";
        assert_eq!(element(document.as_bytes(), "UploadId").as_deref(), Some("a-B_1.~=/+"));
        for other in ["", "<UploadId></UploadId>", "<UploadId>a<b/></UploadId>", "<UploadId>a"] {
            assert_eq!(element(other.as_bytes(), "UploadId"), None, "{other}");
        }
    }
}
