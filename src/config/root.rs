//! Roots of the library: `[[root]]` tables, and the same on the command line.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use actix_web::http::Uri;
use serde::Deserialize;

use super::value::checked_text;

/// The beginning of the URL of a bucket.
const SCHEME: &str = "s3://";

/// Part of each message about a value that may hold a secret: such a value is never shown.
pub(super) const NOT_SHOWN: &str = "the value is not shown, because it may hold a secret";

checked_text! {
    /// The name of a root: one component of a path that people type.
    RootName,
    |text| {
        !text.is_empty()
            && !text.starts_with('.')
            && !text.contains(['/', '\\'])
            && !text.contains(char::is_control)
    },
    "the name of a root: one character at least, no slash, no leading dot, no control character"
}

checked_text! {
    /// The region of a bucket.
    Region,
    |text| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=64).contains(&text.len()) && text.bytes().all(is_part)
    },
    "a region, such as \"eu-central-1\""
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// A `[[root]]` table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "Table")]
pub struct RootConfig {
    /// The folder or the bucket.
    pub source: RootSource,
    /// First component of its titles' paths if there are several roots. Default: the folder's name.
    pub name: Option<RootName>,
    /// Whether writers overwrite files in place. The server then copies them for each viewer and
    /// checks them after each read; from the page cache it would send a later write.
    pub overwritten_in_place: bool,
}

/// Where the files of a root are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RootSource {
    /// In a folder.
    Folder(PathBuf),
    /// In a bucket, below a prefix.
    Bucket(BucketConfig),
}

/// A bucket and how to reach it. Holds no secret: `credentials_file` is a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BucketConfig {
    /// The bucket and the prefix.
    pub url: BucketUrl,
    /// Server that speaks the S3 API. Default: AWS, or what the environment names.
    pub endpoint: Option<Endpoint>,
    /// Region. Default: that of the environment.
    pub region: Option<Region>,
    /// Whether the bucket's name is in the path of its URLs, and not in their host.
    pub path_style: bool,
    /// File with the credentials, as `~/.aws/credentials`. Default: those of the environment or the machine.
    pub credentials_file: Option<PathBuf>,
    /// File with the certificates that sign the server's, in PEM. Default: those that the system trusts.
    pub ca_file: Option<PathBuf>,
}

/// A `[[root]]` table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    dir: Option<PathBuf>,
    bucket: Option<BucketUrl>,
    name: Option<RootName>,
    overwritten_in_place: Option<bool>,
    endpoint: Option<Endpoint>,
    region: Option<Region>,
    path_style: Option<bool>,
    credentials_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
}

impl TryFrom<Table> for RootConfig {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        let of_buckets = [
            ("endpoint", table.endpoint.is_some()),
            ("region", table.region.is_some()),
            ("path_style", table.path_style.is_some()),
            ("credentials_file", table.credentials_file.is_some()),
            ("ca_file", table.ca_file.is_some()),
        ];
        let source = match (table.dir, table.bucket) {
            (Some(dir), None) => {
                if let Some((key, _)) = of_buckets.iter().find(|(_, is_set)| *is_set) {
                    return Err(format!(
                        "{key} is for a root with a bucket, and this one has a dir"
                    ));
                }
                RootSource::Folder(dir)
            }
            (None, Some(url)) => {
                if table.overwritten_in_place.is_some() {
                    return Err("overwritten_in_place is for a root with a dir: no writer \
                                overwrites a part of an object"
                        .into());
                }
                RootSource::Bucket(BucketConfig {
                    url,
                    endpoint: table.endpoint,
                    region: table.region,
                    path_style: table.path_style.unwrap_or_default(),
                    credentials_file: table.credentials_file,
                    ca_file: table.ca_file,
                })
            }
            (None, None) => return Err("a root needs dir or bucket".into()),
            (Some(_), Some(_)) => return Err("a root has dir or bucket, not both".into()),
        };
        let overwritten_in_place = table.overwritten_in_place.unwrap_or_default();
        Ok(Self { source, name: table.name, overwritten_in_place })
    }
}

impl FromStr for RootConfig {
    type Err = String;

    /// Parses `DIR`, `name=DIR`, `s3://bucket` or `name=s3://bucket`. A name contains no slash.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, place) = match text.split_once('=') {
            Some((name, place)) if !name.contains('/') => (Some(name), place),
            _ => (None, text),
        };
        if name == Some("") || place.is_empty() {
            return Err("it must be DIR, name=DIR or s3://bucket".into());
        }
        let name = name.map(str::parse).transpose()?;
        let source = match place.starts_with(SCHEME) {
            true => RootSource::Bucket(BucketConfig::new(place.to_owned().try_into()?)),
            false => RootSource::Folder(place.into()),
        };
        Ok(Self { source, name, overwritten_in_place: false })
    }
}

impl RootSource {
    /// The last name of its path, by which a root is named that has no other name.
    pub(super) fn own_name(&self) -> Option<String> {
        match self {
            Self::Folder(dir) => super::own_name(dir),
            Self::Bucket(bucket) => Some(bucket.url.own_name().to_owned()),
        }
    }

    /// Changes the paths of files and folders.
    pub(super) fn for_each_path(&mut self, mut change: impl FnMut(&mut PathBuf)) {
        match self {
            Self::Folder(dir) => change(dir),
            Self::Bucket(bucket) => {
                let files = [&mut bucket.credentials_file, &mut bucket.ca_file];
                files.into_iter().flatten().for_each(change);
            }
        }
    }

    /// The folder, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(dir) => Some(dir),
            Self::Bucket(_) => None,
        }
    }
}

impl fmt::Display for RootSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(dir) => dir.display().fmt(f),
            Self::Bucket(bucket) => bucket.url.fmt(f),
        }
    }
}

impl BucketConfig {
    /// A bucket of AWS, or of the server that the environment names.
    pub fn new(url: BucketUrl) -> Self {
        Self {
            url,
            endpoint: None,
            region: None,
            path_style: false,
            credentials_file: None,
            ca_file: None,
        }
    }
}

/// The URL of a bucket: `s3://name[/prefix]`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct BucketUrl {
    name: String,
    prefix: String,
}

impl BucketUrl {
    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The beginning of all keys: empty, or with a slash at its end.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether all keys below another URL are below this one, too.
    pub fn contains(&self, other: &Self) -> bool {
        self.name == other.name && other.prefix.starts_with(&self.prefix)
    }

    /// The URL of a folder below this one.
    #[must_use]
    pub fn below(&self, folder: &str) -> Self {
        Self { name: self.name.clone(), prefix: format!("{}{folder}/", self.prefix) }
    }

    fn own_name(&self) -> &str {
        let folders = self.prefix.trim_end_matches('/');
        match folders.rsplit('/').next() {
            Some(last) if !last.is_empty() => last,
            _ => &self.name,
        }
    }
}

impl TryFrom<String> for BucketUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (name, prefix) = match text.strip_prefix(SCHEME) {
            Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
            None => ("", ""),
        };
        if name.contains(['@', ':']) {
            return Err(format!(
                "the URL of a bucket is s3://name/prefix, without credentials and without a port; see \
                 credentials_file and endpoint ({NOT_SHOWN})"
            ));
        }
        let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_name = (3..=63).contains(&name.len())
            && name.bytes().all(|byte| is_inner(byte) || b"-.".contains(&byte))
            && name.bytes().next().is_some_and(is_inner)
            && name.bytes().last().is_some_and(is_inner);
        if !is_name {
            return Err(format!(
                "{text:?} is not the URL of a bucket: s3:// and a name of 3 to 63 lower-case letters, \
                 digits, dots and hyphens, as in \"s3://media\" or \"s3://media/films\""
            ));
        }
        let folders = prefix.strip_suffix('/').unwrap_or(prefix);
        let is_folder = |name: &str| !name.is_empty() && name != "." && name != "..";
        if !folders.is_empty() && !folders.split('/').all(is_folder)
            || folders.contains(char::is_control)
            || folders.len() > 1024
        {
            return Err(format!(
                "{text:?} has a prefix that names no folder: no empty name, \".\" or \"..\", no control \
                 character, and 1024 bytes at most"
            ));
        }
        let prefix = if folders.is_empty() { String::new() } else { format!("{folders}/") };
        Ok(Self { name: name.to_owned(), prefix })
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.name)?;
        match self.prefix.strip_suffix('/') {
            Some(folders) => write!(f, "/{folders}"),
            None => Ok(()),
        }
    }
}

/// The URL of a server that speaks the S3 API, without credentials.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct Endpoint(String);

impl Endpoint {
    /// The URL, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Endpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let url = text.trim_end_matches('/');
        let rest = url.strip_prefix("https://").or(url.strip_prefix("http://")).unwrap_or_default();
        // Also without a scheme: a password must not be shown.
        if url.contains('@') {
            return Err(format!(
                "the URL of an endpoint has no credentials; see credentials_file ({NOT_SHOWN})"
            ));
        }
        if rest.is_empty() || rest.contains(['?', '#']) || url.parse::<Uri>().is_err() {
            return Err(format!(
                "{text:?} is not an http or https URL of a server, such as \"https://s3.example\""
            ));
        }
        Ok(Self(url.to_owned()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layer;

    fn root(table: &str) -> Result<RootConfig, String> {
        let layer = toml::from_str::<Layer>(&format!("[[root]]\n{table}\n"));
        layer.map(|mut layer| layer.root.swap_remove(0)).map_err(|error| error.to_string())
    }

    fn bucket(table: &str) -> BucketConfig {
        match root(table).expect(table).source {
            RootSource::Bucket(bucket) => bucket,
            RootSource::Folder(dir) => panic!("{}", dir.display()),
        }
    }

    #[test]
    fn a_bucket_is_a_root_in_the_file_and_on_the_command_line() {
        let files = "credentials_file = 'keys'\nca_file = 'ca.pem'\npath_style = true";
        let server = "endpoint = 'https://s3.example:8443/'\nregion = 'eu-central-1'";
        let whole = bucket(&format!("bucket = 's3://media/films/a b'\n{server}\n{files}"));
        assert_eq!((whole.url.name(), whole.url.prefix()), ("media", "films/a b/"));
        assert_eq!(whole.url.to_string(), "s3://media/films/a b");
        assert_eq!(whole.endpoint.expect("one").as_str(), "https://s3.example:8443");
        assert_eq!(whole.credentials_file, Some("keys".into()));
        for argument in ["s3://media", "films=s3://media/"] {
            let typed: RootConfig = argument.parse().expect("a root");
            let plain = bucket("bucket = 's3://media'");
            assert_eq!(typed.source, RootSource::Bucket(plain));
            assert_eq!(typed.name.is_some(), argument.contains('='));
        }
    }

    #[test]
    fn a_wrong_root_is_refused_with_its_line_and_reason() {
        for (table, reason) in [
            ("name = 'a'", "a root needs dir or bucket"),
            ("dir = 'a'\nbucket = 's3://abc'", "not both"),
            ("dir = 'a'\nregion = 'b'", "region is for a root with a bucket"),
            ("bucket = 's3://abc'\noverwritten_in_place = true", "overwritten_in_place is for"),
            ("bucket = 'media'", "\"media\" is not the URL of a bucket"),
            ("bucket = 's3://Media'", "is not the URL of a bucket"),
            ("bucket = 's3://ab'", "3 to 63"),
            ("bucket = 's3://-abc'", "is not the URL of a bucket"),
            ("bucket = 's3://abc//d'", "names no folder"),
            ("bucket = 's3://abc/../d'", "names no folder"),
            ("bucket = \"s3://abc/d\\u0007\"", "names no folder"),
            ("bucket = 's3://abc'\nendpoint = 's3.example'", "is not an http or https URL"),
            ("bucket = 's3://abc'\nendpoint = 'https://'", "is not an http or https URL"),
            ("bucket = 's3://abc'\nregion = 'eu central'", "\"eu central\" is not a region"),
            ("bucket = 's3://abc'\npath_stile = true", "path_stile"),
        ] {
            let error = root(table).expect_err(table);
            assert!(error.contains(reason) && error.contains("line "), "{table}: {error}");
        }
    }

    #[test]
    fn a_secret_in_a_url_is_not_shown() {
        for argument in ["s3://key:hunter2@media", "a=s3://key:hunter2@media/films"] {
            let error = argument.parse::<RootConfig>().expect_err(argument);
            assert!(error.contains("without credentials") && !error.contains("hunter2"), "{error}");
        }
        for endpoint in ["https://key:hunter2@s3.example", "key:hunter2@s3.example"] {
            let error = Endpoint::try_from(endpoint.to_owned()).expect_err(endpoint);
            assert!(error.contains("credentials_file") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_root_without_a_name_has_that_of_its_folder_or_bucket() {
        let name =
            |argument: &str| argument.parse::<RootConfig>().expect("a root").source.own_name();
        assert_eq!(name("s3://media").as_deref(), Some("media"));
        assert_eq!(name("s3://media/films/new/").as_deref(), Some("new"));
        assert_eq!(name("/srv/films").as_deref(), Some("films"));
    }
}
