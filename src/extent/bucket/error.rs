//! Why a request to a bucket has no result.

use std::{fmt, io, sync::Arc, time::Duration};

/// When to try again if the bucket does not say.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The error of a read from a bucket. All who wait for one request get the same, hence `Clone`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no such object.
    #[error("no such object")]
    NotFound,
    /// The object under the key is another one now.
    #[error("the object was replaced")]
    Changed,
    /// The bucket refused the credentials, or there are none.
    #[error("the bucket refused the credentials: {reason}")]
    Credentials {
        /// The status of the response: 401 or 403; `None` without a response.
        status: Option<u16>,
        /// S3's error code, such as `AccessDenied`, or why there are no credentials.
        reason: Arc<str>,
    },
    /// The bucket did not respond as it should, after all retries.
    #[error("the bucket is not available: {reason}")]
    Unavailable {
        /// What happened last.
        reason: Outage,
        /// When to try again.
        retry_after: Duration,
    },
    /// The object cannot be served as it is.
    #[error("{0}")]
    Refused(Refusal),
    /// Every response was wrong, such as for another range.
    #[error("the bucket sent a wrong response: {0}")]
    Broken(&'static str),
    /// The cache could not look up or store the bytes.
    #[error("cannot store bytes of the bucket: {0}")]
    Cache(Arc<io::Error>),
}

/// Why a bucket is not available.
#[derive(Clone, Debug)]
pub enum Outage {
    /// Most of the last responses failed, so that no request is sent for some seconds.
    BreakerOpen,
    /// No response, or no further byte, within the deadline.
    Timeout,
    /// The status of the last response.
    Status(u16),
    /// The connection failed.
    Connection(Arc<str>),
}

/// Why an object cannot be served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It is in an archive such as Glacier.
    Archived,
    /// It is encrypted with a key that only its owner has (SSE-C).
    CustomerKey,
    /// It has a Content-Encoding, so that its bytes are not those of the video.
    ContentEncoding,
    /// The bucket is in another region.
    OtherRegion,
    /// There is no such bucket.
    NoSuchBucket,
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BreakerOpen => f.write_str("most of its last responses failed"),
            Self::Timeout => f.write_str("it did not respond in time"),
            Self::Status(status) => write!(f, "it responded with status {status}"),
            Self::Connection(error) => write!(f, "connection failed: {error}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Archived => "the object is archived; restore it in the bucket",
            Self::CustomerKey => "the object is encrypted with a customer key (SSE-C)",
            Self::ContentEncoding => "the object has a Content-Encoding; store it without",
            Self::OtherRegion => "the bucket is in another region; set `region`",
            Self::NoSuchBucket => "there is no such bucket",
        })
    }
}

impl FetchError {
    /// When to try again, if that makes sense.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => Some(*retry_after),
            Self::Credentials { .. } | Self::Broken(_) => Some(RETRY_AFTER),
            Self::NotFound | Self::Changed | Self::Refused(_) | Self::Cache(_) => None,
        }
    }

    pub(super) fn timeout() -> Self {
        Self::Unavailable { reason: Outage::Timeout, retry_after: RETRY_AFTER }
    }
}

impl From<io::Error> for FetchError {
    fn from(error: io::Error) -> Self {
        Self::Cache(Arc::new(error))
    }
}

/// Why one attempt at a request failed.
#[derive(Clone, Debug)]
pub(super) enum AttemptError {
    /// The response is the result: another attempt would get the same.
    Final(FetchError),
    /// 416: the range lies outside of the object.
    Unsatisfiable,
    /// A status that says that another attempt may succeed.
    Status { status: u16, retry_after: Option<Duration> },
    /// The connection failed, or ended in a response.
    Connection(Arc<str>),
    /// The response is not for this request.
    Wrong(&'static str),
    /// No response, or no further byte, in time.
    Silent,
}

impl AttemptError {
    pub(super) fn connection(error: impl ToString) -> Self {
        Self::Connection(error.to_string().into())
    }

    /// Whether the bucket failed: such errors are retried, and count for the breaker.
    pub(super) fn is_failure(&self) -> bool {
        !matches!(self, Self::Final(_) | Self::Unsatisfiable)
    }

    /// The bucket's wish when to try again.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl From<AttemptError> for FetchError {
    fn from(error: AttemptError) -> Self {
        let retry_after = error.retry_after().unwrap_or(RETRY_AFTER);
        match error {
            AttemptError::Final(error) => error,
            AttemptError::Unsatisfiable => Self::Changed,
            AttemptError::Status { status, .. } => {
                Self::Unavailable { reason: Outage::Status(status), retry_after }
            }
            AttemptError::Connection(error) => {
                Self::Unavailable { reason: Outage::Connection(error), retry_after }
            }
            AttemptError::Wrong(what) => Self::Broken(what),
            AttemptError::Silent => Self::timeout(),
        }
    }
}
