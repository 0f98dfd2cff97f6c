//! Types of values, which validate while parsing.
//!
//! The type carries the allowed range, so that an error names the key, and in a file the line.

use std::{fmt, path::PathBuf, str::FromStr};

use actix_web::http::Uri;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// A number from `MIN` to `MAX`, both included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Within<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Within<MIN, MAX> {
    fn check(value: u64) -> Result<Self, String> {
        let allowed = (MIN..=MAX).contains(&value);
        if allowed { Ok(Self(value)) } else { Err(format!("{value} is not {}", Self::range())) }
    }

    fn range() -> String {
        format!("a whole number from {MIN} to {MAX}")
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The number as a count of objects in memory.
    pub fn count(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<const MIN: u64, const MAX: u64> FromStr for Within<MIN, MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let value = text.parse().map_err(|_| format!("it must be {}", Self::range()))?;
        Self::check(value)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Within<MIN, MAX> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = i64::deserialize(deserializer)?;
        let natural = u64::try_from(value).map_err(|_| format!("{value} is not {}", Self::range()));
        natural.and_then(Self::check).map_err(serde::de::Error::custom)
    }
}

/// A string that is validated while parsing.
macro_rules! checked_text {
    ($(#[doc = $doc:literal])+ $name:ident, $is_valid:expr, $must_be:literal) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let is_valid: fn(&str) -> bool = $is_valid;
                if is_valid(&text) { Ok(Self(text)) } else { Err(format!("{text:?} is not {}", $must_be)) }
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                text.to_owned().try_into()
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }
    };
}

checked_text! {
    /// The value of a header field.
    FieldValue,
    |text| !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
    "the value of a header field: printable ASCII"
}

checked_text! {
    /// Log levels, per module.
    LogDirectives,
    |text| EnvFilter::try_new(text).is_ok(),
    "a level (error, warn, info, debug, trace) or a list of module=level"
}

pub(super) use checked_text;

/// Whether a text is a list of origins separated by spaces.
fn are_origins(text: &str) -> bool {
    let is_origin = |origin: &str| {
        let rest = origin.strip_prefix("https://").or(origin.strip_prefix("http://"));
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        rest.is_some_and(|host| !host.is_empty() && host.bytes().all(is_host))
    };
    !text.trim().is_empty() && text.split_whitespace().all(is_origin)
}

checked_text! {
    /// `*`, or origins separated by spaces.
    Origins,
    |text| text == "*" || are_origins(text),
    "\"*\" or a list of origins, such as \"https://tv.example\", separated by spaces"
}

checked_text! {
    /// `*`, `none`, or origins separated by spaces.
    EmbedOrigins,
    |text| text == "*" || text == "none" || are_origins(text),
    "\"*\", \"none\" or a list of origins, such as \"https://tv.example\", separated by spaces"
}

checked_text! {
    /// Host names without ports, separated by spaces.
    Hosts,
    |text| {
        let is_host = |host: &str| {
            let name = host.strip_prefix("*.").unwrap_or(host);
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            let is_literal = |byte: u8| byte.is_ascii_hexdigit() || b":.".contains(&byte);
            match name.strip_prefix('[') {
                Some(literal) => {
                    literal.strip_suffix(']').is_some_and(|address| address.bytes().all(is_literal))
                }
                None => host == "*" || (!name.is_empty() && name.bytes().all(is_name)),
            }
        };
        !text.trim().is_empty() && text.split_whitespace().all(is_host)
    },
    "a list of host names without ports, such as \"video.example\", separated by spaces"
}

/// Format of log lines.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Plain text.
    Text,
    /// One JSON object a line.
    Json,
}

/// Format of the access log.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum AccessLogFormat {
    /// All fields, with names for those that the other two lack.
    Text,
    /// The combined log format of Apache and nginx.
    Combined,
    /// One JSON object a line.
    Json,
}

/// The policy where the kernel lacks Landlock or seccomp.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Sandboxing {
    /// Run no ffmpeg.
    #[default]
    Required,
    /// Apply what the kernel has, and run ffmpeg.
    WhereAvailable,
    /// Apply neither Landlock nor seccomp. Limits of memory, size and time stay.
    Off,
}

impl Sandboxing {
    /// The value in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::WhereAvailable => "where-available",
            Self::Off => "off",
        }
    }
}

/// Titles to encode without a request.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum RenditionPolicy {
    /// None.
    Off,
    /// Titles that browsers cannot play.
    Unplayable,
    /// All.
    All,
}

checked_text! {
    /// An http or https URL.
    Url,
    |text| {
        let rest = text.strip_prefix("https://").or(text.strip_prefix("http://"));
        rest.is_some_and(|rest| !rest.is_empty()) && text.parse::<Uri>().is_ok()
    },
    "an http or https URL, such as \"https://tv.example/hooks\""
}

/// An event that webhooks deliver.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum WebhookEvent {
    /// A rendition of a title is ready to play.
    #[serde(rename = "rendition.ready")]
    RenditionReady,
    /// A title that could not be played is ready to play: a job remuxed it.
    #[serde(rename = "title.ready")]
    TitleReady,
    /// A job failed for good.
    #[serde(rename = "job.failed")]
    JobFailed,
}

/// A `[[webhook]]` table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Receiver of the deliveries.
    pub url: Url,
    /// File with the secret that signs deliveries.
    pub secret_file: PathBuf,
    /// Events to deliver.
    pub events: Vec<WebhookEvent>,
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl<const MIN: u64, const MAX: u64> Serialize for Within<MIN, MAX> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<const MIN: u64, const MAX: u64> fmt::Display for Within<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
