//! The credentials of a bucket, and the signatures made with them.
//!
//! `object_store` finds them: environment, web identity, ECS, EKS pod identity, IMDSv2. It renews them when
//! they expire. A file in the format of `~/.aws/credentials` is ours.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use http::HeaderValue;
use http_body_util::BodyExt as _;
use object_store::{
    ClientOptions, RetryConfig,
    aws::{AmazonS3Builder, AwsAuthorizer, AwsCredential, AwsCredentialProvider},
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use tokio::time::{Instant, timeout};

use super::{
    address::{Server, SettingsError},
    error::{AttemptError, FetchError},
    transport::{Connect, Transport},
};

/// Timeout of a request for credentials.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The time after which a failure to get credentials is tried again, and a file of them looked at again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The credentials of a bucket.
#[derive(Debug)]
pub(super) struct Credentials {
    source: Source,
    region: String,
    /// The last failure, which all requests of the next second share.
    failure: Mutex<Option<(Instant, FetchError)>>,
}

#[derive(Debug)]
enum Source {
    /// The bucket is public: `AWS_SKIP_SIGNATURE`.
    Anonymous,
    Environment(AwsCredentialProvider),
    File(CredentialsFile),
}

impl Credentials {
    /// The credentials of the file, or else those that the environment leads to.
    pub(super) fn new(
        file: Option<&Path>,
        region: &str,
        connect: Connect,
    ) -> Result<Self, SettingsError> {
        let source = match file {
            Some(file) => Source::File(CredentialsFile::new(file)),
            None if is_anonymous() => Source::Anonymous,
            None => Source::Environment(from_environment(region, connect)?),
        };
        Ok(Self { source, region: region.to_owned(), failure: Mutex::default() })
    }

    /// For a bucket that needs no signatures.
    #[cfg(test)]
    pub(super) fn anonymous() -> Self {
        Self { source: Source::Anonymous, region: String::new(), failure: Mutex::default() }
    }

    /// Signs a request with an absolute URL.
    pub(super) async fn sign(&self, request: &mut HttpRequest) -> Result<(), AttemptError> {
        let Some(credential) = self.credential().await.map_err(AttemptError::Final)? else {
            return Ok(());
        };
        let authorizer = AwsAuthorizer::new(&credential, "s3", &self.region);
        let signed = authorizer.try_authorize(request, None);
        signed.map_err(|_| AttemptError::Final(no_credentials("they cannot sign")))
    }

    async fn credential(&self) -> Result<Option<Arc<AwsCredential>>, FetchError> {
        if let Source::Anonymous = self.source {
            return Ok(None);
        }
        if let Some((since, error)) = &*self.failure.lock().unwrap_or_else(PoisonError::into_inner)
            && since.elapsed() < RETRY_INTERVAL
        {
            return Err(error.clone());
        }
        let credential = match &self.source {
            Source::Anonymous => return Ok(None),
            Source::Environment(provider) => provider.get_credential().await.map_err(|_| {
                // The error is not shown: it may contain what a server of tokens responded.
                no_credentials("there are none in the environment, and no service provides any")
            }),
            Source::File(file) => file.credential().await,
        };
        let credential = credential.and_then(|credential| match is_usable(&credential) {
            true => Ok(credential),
            false => Err(no_credentials("they contain characters that no header field can have")),
        });
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        *failure = credential.as_ref().err().map(|error| (Instant::now(), error.clone()));
        credential.map(Some)
    }
}

fn no_credentials(reason: &str) -> FetchError {
    FetchError::Credentials { status: None, reason: reason.into() }
}

fn is_anonymous() -> bool {
    std::env::var("AWS_SKIP_SIGNATURE").is_ok_and(|value| value == "true" || value == "1")
}

/// Whether the parts that go into fields are valid there; `object_store` panics otherwise.
fn is_usable(credential: &AwsCredential) -> bool {
    let is_valid = |text: &String| HeaderValue::from_str(text).is_ok();
    is_valid(&credential.key_id) && credential.token.as_ref().is_none_or(is_valid)
}

fn from_environment(
    region: &str,
    connect: Connect,
) -> Result<AwsCredentialProvider, SettingsError> {
    let retries = RetryConfig { max_retries: 1, retry_timeout: TIMEOUT, ..RetryConfig::default() };
    let store = AmazonS3Builder::from_env()
        // The builder wants a bucket; only its credentials are used.
        .with_bucket_name("unused")
        .with_region(region)
        .with_retry(retries)
        .with_http_connector(CredentialsConnector(connect))
        .build()
        .map_err(|error| SettingsError::Credentials(error.to_string()))?;
    Ok(Arc::clone(store.credentials()))
}

/// A file with `aws_access_key_id`, `aws_secret_access_key` and perhaps `aws_session_token`, read again
/// when it changes. While it cannot be read, or is not whole, the last credential counts: a program
/// that renews a file may remove it first.
struct CredentialsFile {
    path: PathBuf,
    last: Mutex<Option<Known>>,
}

#[derive(Clone)]
struct Known {
    looked_at: Instant,
    modified: SystemTime,
    credential: Arc<AwsCredential>,
    /// Why the file could not be read at the last look.
    problem: Option<Arc<str>>,
}

impl CredentialsFile {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), last: Mutex::default() }
    }

    async fn credential(&self) -> Result<Arc<AwsCredential>, FetchError> {
        let known = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = &known
            && known.looked_at.elapsed() < RETRY_INTERVAL
        {
            return Ok(Arc::clone(&known.credential));
        }
        let (path, last) = (self.path.clone(), known.clone());
        let read = move || -> std::io::Result<_> {
            let modified = std::fs::metadata(&path)?.modified()?;
            match last {
                Some(last) if last.modified == modified => Ok((modified, Ok(last.credential))),
                _ => Ok((modified, parse(&std::fs::read_to_string(&path)?).map(Arc::new))),
            }
        };
        let read = tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other);
        let read = match read.flatten() {
            Ok((modified, Ok(credential))) => Ok((modified, credential)),
            Ok((_, Err(key))) => {
                Err(format!("credentials_file has no {key} in its first or default section"))
            }
            Err(error) => Err(format!("cannot read credentials_file: {}", error.kind())),
        };
        let looked_at = Instant::now();
        let known = match (read, known) {
            (Ok((modified, credential)), _) => {
                Known { looked_at, modified, credential, problem: None }
            }
            (Err(problem), None) => return Err(no_credentials(&problem)),
            (Err(problem), Some(last)) => {
                if last.problem.as_deref() != Some(problem.as_str()) {
                    let file = self.path.display();
                    tracing::warn!(%file, problem, "the last credentials stay in use");
                }
                Known { looked_at, problem: Some(problem.into()), ..last }
            }
        };
        let credential = Arc::clone(&known.credential);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(credential)
    }
}

impl fmt::Debug for CredentialsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CredentialsFile").field(&self.path).finish()
    }
}

/// The credential of the section `[default]`, or else of the first; an error is the key that is missing.
fn parse(text: &str) -> Result<AwsCredential, &'static str> {
    let mut sections = vec![(String::new(), Vec::new())];
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            sections.push((name.trim().to_owned(), Vec::new()));
        } else if let (false, Some((key, value))) =
            (line.starts_with(['#', ';']), line.split_once('='))
            && let Some((_, pairs)) = sections.last_mut()
        {
            pairs.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    let default = sections.iter().find(|(name, _)| name == "default");
    let first = || sections.iter().find(|(_, pairs)| !pairs.is_empty());
    let pairs = default.or_else(first).map(|(_, pairs)| pairs.as_slice()).unwrap_or_default();
    let value = |key: &str| {
        let pair = pairs.iter().find(|(name, value)| name == key && !value.is_empty());
        pair.map(|(_, value)| value.clone())
    };
    Ok(AwsCredential {
        key_id: value("aws_access_key_id").ok_or("aws_access_key_id")?,
        secret_key: value("aws_secret_access_key").ok_or("aws_secret_access_key")?,
        token: value("aws_session_token"),
    })
}

/// Connects `object_store` to services that provide credentials.
struct CredentialsConnector(Connect);

/// A client of such a service: a connection for each request, for there are few.
struct CredentialsClient(Connect);

impl HttpConnector for CredentialsConnector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(CredentialsClient(Arc::clone(&self.0))))
    }
}

#[async_trait::async_trait]
impl HttpService for CredentialsClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let failed =
            |error: AttemptError| HttpError::new(HttpErrorKind::Connect, FetchError::from(error));
        let invalid = || failed(AttemptError::Wrong("invalid URL"));
        let (server, _) = Server::from_uri(request.uri()).ok_or_else(invalid)?;
        let transport = Transport::new(server, Arc::clone(&self.0));
        let exchange = async {
            let (response, _) = transport.send(request, true).await.map_err(failed)?;
            let (head, body) = response.into_parts();
            let body = http_body_util::Limited::new(body, 1 << 20).collect().await;
            let body = body.map_err(|error| failed(AttemptError::connection(error)))?;
            Ok(HttpResponse::from_parts(head, HttpResponseBody::from(body.to_bytes())))
        };
        timeout(TIMEOUT, exchange).await.map_err(|_| failed(AttemptError::Silent))?
    }
}

impl fmt::Debug for CredentialsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialsConnector")
    }
}

impl fmt::Debug for CredentialsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialsClient")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_default_section_or_the_first_counts() {
        let credential = parse(
            "# ours\n[other]\naws_access_key_id = A\naws_secret_access_key = a\n\
             [default]\nAWS_ACCESS_KEY_ID=B\naws_secret_access_key = b=\naws_session_token = t\n",
        );
        let credential = credential.expect("it is complete");
        assert_eq!((credential.key_id.as_str(), credential.secret_key.as_str()), ("B", "b="));
        assert_eq!(credential.token.as_deref(), Some("t"));
        let first = parse("\n[films]\naws_access_key_id = A\naws_secret_access_key = a\n[x]\n");
        assert_eq!(first.expect("it is complete").key_id, "A");
        assert_eq!(parse("aws_access_key_id = A").err(), Some("aws_secret_access_key"));
        assert_eq!(parse("[default]").err(), Some("aws_access_key_id"));
    }

    #[tokio::test]
    async fn a_file_that_is_gone_or_incomplete_leaves_the_last_credential() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("credentials");
        std::fs::write(&path, "aws_access_key_id=A\naws_secret_access_key=a")
            .expect("it is written");
        let opened = std::fs::File::options().append(true).open(&path).expect("it is there");
        opened.set_modified(SystemTime::UNIX_EPOCH).expect("it is ours");
        let file = CredentialsFile::new(&path);
        assert_eq!(file.credential().await.expect("it is complete").key_id, "A");
        for (text, key, has_problem) in [
            (None, "A", true),
            (Some("aws_access_key_id=B"), "A", true),
            (Some("aws_access_key_id=B\naws_secret_access_key=b"), "B", false),
        ] {
            let changed = match text {
                None => std::fs::remove_file(&path),
                Some(text) => std::fs::write(&path, text),
            };
            changed.expect("it is ours");
            file.last.lock().expect("no panic").iter_mut().for_each(|known| {
                known.looked_at -= RETRY_INTERVAL;
            });
            assert_eq!(file.credential().await.expect("there was one").key_id, key);
            let known = file.last.lock().expect("no panic").clone();
            assert_eq!(known.expect("there is one").problem.is_some(), has_problem);
        }
    }

    #[tokio::test]
    async fn a_changed_file_is_read_again_and_no_error_shows_a_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("credentials");
        let file = CredentialsFile::new(&path);
        let error = file.credential().await.expect_err("there is no file").to_string();
        assert!(error.contains("cannot read credentials_file"), "{error}");

        std::fs::write(&path, "aws_secret_access_key = hidden").expect("it is written");
        let error = file.credential().await.expect_err("it is incomplete").to_string();
        assert!(error.contains("aws_access_key_id") && !error.contains("hidden"), "{error}");

        for (seconds, key) in [(1, "A"), (2, "B")] {
            std::fs::write(&path, format!("aws_access_key_id={key}\naws_secret_access_key=hidden"))
                .expect("it is written");
            let opened = std::fs::File::options().append(true).open(&path).expect("it is there");
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            opened.set_modified(modified).expect("it is ours");
            file.last.lock().expect("no panic").iter_mut().for_each(|known| {
                known.looked_at -= RETRY_INTERVAL;
            });
            let credential = file.credential().await.expect("it is complete");
            assert_eq!(credential.key_id, key);
            assert!(!format!("{credential:?} {file:?}").contains("hidden"));
        }
    }
}
