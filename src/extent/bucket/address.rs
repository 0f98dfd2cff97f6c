//! Where a bucket is: the URLs of its objects.

use std::{fmt, net::IpAddr, path::PathBuf};

use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a signature leaves as it is: `A-Z a-z 0-9 - . _ ~`.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The same, and the separator of paths.
const IN_PATH: &AsciiSet = &IN_QUERY.remove(b'/');

/// The region where none is configured.
const DEFAULT_REGION: &str = "us-east-1";

/// The settings of a bucket.
#[derive(Clone, Debug, Default)]
pub struct BucketSettings {
    /// The bucket's name.
    pub bucket: String,
    /// The URL of the server, such as `https://s3.example`; `None` for that of the environment, else AWS.
    pub endpoint: Option<String>,
    /// The region; `None` for that of the environment, else `us-east-1`.
    pub region: Option<String>,
    /// Whether the bucket's name is in the path of URLs instead of the host.
    pub path_style: bool,
    /// A file in the format of `~/.aws/credentials`; `None` for the environment.
    pub credentials_file: Option<PathBuf>,
    /// A PEM file with the root certificates of the server; `None` for those of the platform.
    pub ca_file: Option<PathBuf>,
}

/// Why the settings of a bucket cannot work.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The endpoint is no URL of a server.
    #[error("invalid endpoint \"{0}\"; use http://host[:port] or https://host[:port]")]
    Endpoint(String),
    /// The file of root certificates cannot be read.
    #[error("cannot read ca_file {}: {error}", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The environment has half of a pair of credentials, or similar.
    #[error("invalid credentials in the environment: {0}")]
    Credentials(String),
}

/// A server to connect to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Server {
    pub is_tls: bool,
    /// A name or an address, an IPv6 address without brackets.
    pub host: String,
    pub port: u16,
}

/// The address of a bucket.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub server: Server,
    pub region: String,
    /// Scheme, host and the path in front of keys, without a slash at the end.
    base: String,
}

impl Server {
    /// The server of an absolute URL, and the host with its port for the field `Host`.
    pub(super) fn from_uri(uri: &Uri) -> Option<(Self, String)> {
        let (is_tls, default_port) = match uri.scheme_str()? {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return None,
        };
        let (host, port) = (uri.host()?.to_ascii_lowercase(), uri.port_u16());
        let authority = match port {
            Some(port) if port != default_port => format!("{host}:{port}"),
            _ => host.clone(),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        (!host.is_empty())
            .then_some((Self { is_tls, host, port: port.unwrap_or(default_port) }, authority))
    }

    /// Whether its name can have others below it: an address and a name such as `localhost` cannot.
    fn has_subdomains(&self) -> bool {
        self.host.contains('.') && self.host.parse::<IpAddr>().is_err()
    }
}

impl Address {
    /// The address by the settings, and where these are silent by the variables of the environment.
    pub(super) fn new(
        settings: &BucketSettings,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let either = |names: [&str; 2]| names.into_iter().find_map(&environment);
        let region = settings.region.clone();
        let region = region.or_else(|| either(["AWS_REGION", "AWS_DEFAULT_REGION"]));
        let region = region.unwrap_or_else(|| DEFAULT_REGION.to_owned());
        let endpoint = settings.endpoint.clone();
        let endpoint = endpoint.or_else(|| either(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]));
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));

        if endpoint.contains('@') {
            // Never print a password, also not that of text that is no URL.
            return Err(SettingsError::Endpoint("…@…".to_owned()));
        }
        let invalid = || SettingsError::Endpoint(endpoint.clone());
        let uri: Uri = endpoint.parse().map_err(|_| invalid())?;
        let (server, authority) = Server::from_uri(&uri).ok_or_else(invalid)?;
        let scheme = if server.is_tls { "https" } else { "http" };
        let path = uri.path().trim_end_matches('/');
        // A certificate for `*.host` is none for `a.b.host`.
        let bucket = &settings.bucket;
        let in_path = settings.path_style
            || !server.has_subdomains()
            || (server.is_tls && bucket.contains('.'));
        if in_path {
            let base = format!("{scheme}://{authority}{path}/{}", encode(bucket, IN_PATH));
            return Ok(Self { server, region, base });
        }
        let server = Server { host: format!("{bucket}.{}", server.host), ..server };
        let base = format!("{scheme}://{bucket}.{authority}{path}");
        base.parse::<Uri>().map_err(|_| invalid())?;
        Ok(Self { server, region, base })
    }

    /// The URL of an object; with a version, of that version.
    pub(super) fn object(&self, key: &str, version_id: Option<&str>) -> String {
        let object = format!("{}/{}", self.base, encode(key, IN_PATH));
        match version_id {
            Some(version) => format!("{object}?versionId={}", encode(version, IN_QUERY)),
            None => object,
        }
    }

    /// The URL of an upload in parts of an object; with a number, of that part.
    pub(super) fn upload(&self, key: &str, upload_id: &str, part: Option<usize>) -> String {
        let (object, id) = (self.object(key, None), encode(upload_id, IN_QUERY));
        match part {
            Some(number) => format!("{object}?partNumber={number}&uploadId={id}"),
            None => format!("{object}?uploadId={id}"),
        }
    }

    /// The URL of a page of the listing: of keys with this prefix, and behind this key.
    pub(super) fn listing(&self, prefix: &str, after: Option<&str>, keys_max: usize) -> String {
        let prefix = encode(prefix, IN_QUERY);
        let mut url = format!("{}/?list-type=2&max-keys={keys_max}&prefix={prefix}", self.base);
        if let Some(after) = after {
            url.push_str("&start-after=");
            url.extend(utf8_percent_encode(after, IN_QUERY));
        }
        url
    }
}

/// The endpoint and the bucket, for messages and as a part of keys in caches.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

fn encode(text: &str, unchanged: &'static AsciiSet) -> String {
    utf8_percent_encode(text, unchanged).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(endpoint: Option<&str>, bucket: &str, path_style: bool) -> String {
        let settings = BucketSettings {
            bucket: bucket.to_owned(),
            endpoint: endpoint.map(str::to_owned),
            path_style,
            ..BucketSettings::default()
        };
        Address::new(&settings, |_| None)
            .map_or_else(|error| error.to_string(), |address| address.object("a b/ü+?.mp4", None))
    }

    #[test]
    fn the_bucket_is_in_the_host_where_the_host_can_have_subdomains() {
        const KEY: &str = "a%20b/%C3%BC%2B%3F.mp4";
        for (endpoint, bucket, path_style, expected) in [
            (None, "films", false, "https://films.s3.us-east-1.amazonaws.com/"),
            (None, "films", true, "https://s3.us-east-1.amazonaws.com/films/"),
            (None, "films.example", false, "https://s3.us-east-1.amazonaws.com/films.example/"),
            (Some("http://S3.example:9000/"), "a.b", false, "http://a.b.s3.example:9000/"),
            (Some("http://127.0.0.1:5000"), "films", false, "http://127.0.0.1:5000/films/"),
            (Some("http://ceph:7480"), "films", false, "http://ceph:7480/films/"),
            (Some("http://[::1]:80/s3/"), "films", false, "http://[::1]/s3/films/"),
        ] {
            assert_eq!(address(endpoint, bucket, path_style), format!("{expected}{KEY}"));
        }
    }

    #[test]
    fn a_wrong_endpoint_is_named_but_no_password() {
        for endpoint in ["ftp://host", "host", "https://", "not a url"] {
            assert!(address(Some(endpoint), "films", false).contains("invalid endpoint"));
        }
        for endpoint in ["https://key:secret@host", "key:secret@host", "https://key:se cret@host"] {
            let error = address(Some(endpoint), "films", false);
            assert!(error.contains("invalid endpoint") && !error.contains("cret"), "{error}");
        }
    }

    #[test]
    fn the_environment_says_what_the_settings_do_not() {
        let environment = |name: &str| match name {
            "AWS_DEFAULT_REGION" => Some("eu-central-1".to_owned()),
            "AWS_ENDPOINT_URL" => Some("http://ceph.example:7480".to_owned()),
            _ => None,
        };
        let settings = BucketSettings { bucket: "films".to_owned(), ..BucketSettings::default() };
        let address = Address::new(&settings, environment).expect("valid settings");
        assert_eq!(address.region, "eu-central-1");
        assert_eq!(address.to_string(), "http://films.ceph.example:7480");
        let listing = address.listing("a/", Some("a/ü"), 1000);
        assert_eq!(
            listing,
            "http://films.ceph.example:7480/?list-type=2&max-keys=1000&prefix=a%2F&start-after=a%2F%C3%BC"
        );
    }
}
