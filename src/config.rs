//! What can be configured, said once.
//!
//! `settings!` lists every key with its type, default and meaning. From that list come the
//! configuration file (`key = value`), the environment (`HEADWATER_KEY`) and the flags (`--key`),
//! which override each other in that order. A test holds `config/headwater.toml` and the README to
//! the same list.
//!
//! Configuration goes in two steps: a [`Layer`] is what was typed, [`Settings`] is what is ready to
//! use. A value's allowed range is part of its type, so that it is refused where it is read, with
//! its key and its line.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::Deserialize;

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

    /// The number, as a count of things in memory.
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
        let value = u64::try_from(value).map_err(|_| format!("{value} is not {}", Self::range()));
        value.and_then(Self::check).map_err(serde::de::Error::custom)
    }
}

/// A text that was found to mean something when it was read.
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
    /// What is logged, by level and module.
    LogDirectives,
    |text| tracing_subscriber::EnvFilter::try_new(text).is_ok(),
    "a level (error, warn, info, debug, trace) or a list of module=level"
}

checked_text! {
    /// `*`, or origins separated by spaces.
    Origins,
    |text| {
        let is_origin = |origin: &str| {
            let rest = origin.strip_prefix("https://").or(origin.strip_prefix("http://"));
            rest.is_some_and(|host| !host.is_empty() && !host.contains('/') && host.is_ascii())
        };
        text == "*" || (!text.trim().is_empty() && text.split_whitespace().all(is_origin))
    },
    "\"*\" or a list of origins, such as \"https://tv.example\", separated by spaces"
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A library root as it is configured.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RootConfig {
    /// The directory.
    pub dir: PathBuf,
    /// The first component of its paths when there are several roots; its last name by default.
    pub name: Option<String>,
}

impl FromStr for RootConfig {
    type Err = String;

    /// `DIR` or `name=DIR`. What stands before `=` is a name only without a slash.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, dir)) if !name.contains('/') => {
                if name.is_empty() || dir.is_empty() {
                    return Err("it must be DIR or name=DIR".into());
                }
                Ok(Self { dir: dir.into(), name: Some(name.into()) })
            }
            _ => Ok(Self { dir: text.into(), name: None }),
        }
    }
}

/// One key of the list, for the documentation and its test.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it stands in the file.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Its environment variable.
    pub env: &'static str,
    /// Its default as TOML; `None` for a key that is unset by default.
    pub default: Option<&'static str>,
    /// Whether SIGHUP reloads it.
    pub live: bool,
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $liveness:ident $name:ident ($env:literal): $type:ty $(= $default:literal)?;)+) => {
        /// What was typed in one place: the file, or the environment and the flags.
        #[derive(clap::Args, Clone, Debug, Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Layer {
            $(
                $(#[doc = $doc])+
                #[arg(long, env = $env, help_heading = "Settings", hide_env_values = true)]
                pub $name: Option<$type>,
            )+
            /// The library's roots (in the file: one `[[root]]` table for each).
            #[arg(skip)]
            pub root: Vec<RootConfig>,
        }

        /// What is ready to use.
        #[derive(Clone, Debug)]
        pub struct Settings {
            $(
                $(#[doc = $doc])+
                pub $name: settings!(@type $type $(= $default)?),
            )+
            /// The library's roots.
            pub roots: Vec<RootConfig>,
        }

        /// Every key.
        pub const KEYS: &[Key] = &[
            $(Key {
                name: stringify!($name),
                doc: concat!($($doc),+),
                env: $env,
                default: settings!(@literal $($default)?),
                live: settings!(@live $liveness),
            }),+
        ];

        impl Settings {
            /// The first layer that sets a key decides it, else its default does.
            pub fn from_layers(layers: &[Layer]) -> Self {
                $(
                    let set = layers.iter().find_map(|layer| layer.$name.clone());
                    let $name = settings!(@value set $($default)?);
                )+
                let roots = layers.iter().map(|layer| &layer.root).find(|roots| !roots.is_empty());
                Self { $($name,)+ roots: roots.cloned().unwrap_or_default() }
            }

            /// These settings with what can be reloaded taken from `fresh`.
            #[must_use]
            pub fn reloaded(&self, fresh: &Self) -> Self {
                let roots = self.roots.clone();
                Self { $($name: settings!(@pick $liveness self fresh).$name.clone(),)+ roots }
            }

            /// The names of keys that differ from another's and need a restart to take effect.
            pub fn restart_needed(&self, other: &Self) -> Vec<&'static str> {
                let differs = [$((
                    stringify!($name),
                    settings!(@live $liveness),
                    format!("{:?}", self.$name) != format!("{:?}", other.$name),
                )),+];
                let roots = ("root", false, self.roots != other.roots);
                let all = differs.into_iter().chain([roots]);
                all.filter(|(_, live, differs)| !live && *differs).map(|(name, ..)| name).collect()
            }
        }
    };
    (@type $type:ty = $default:literal) => { $type };
    (@type $type:ty) => { Option<$type> };
    (@literal $default:literal) => { Some($default) };
    (@literal) => { None };
    (@pick live $old:ident $fresh:ident) => { $fresh };
    (@pick fixed $old:ident $fresh:ident) => { $old };
    (@live live) => { true };
    (@live fixed) => { false };
    (@value $set:ident $default:literal) => {
        $set.unwrap_or_else(|| default_value($default))
    };
    (@value $set:ident) => { $set };
}

settings! {
    /// Address and port to listen on. Port 0 takes a free one, which is printed.
    fixed listen("HEADWATER_LISTEN"): SocketAddr = "\"127.0.0.1:8080\"";
    /// Folder for what must outlast the process. Default: $STATE_DIRECTORY, else $XDG_STATE_HOME/headwater, else ~/.local/state/headwater.
    fixed data("HEADWATER_DATA"): PathBuf;
    /// File for the access log, or "-" for standard output. Opened anew on SIGHUP. Default: none.
    live access_log("HEADWATER_ACCESS_LOG"): PathBuf;
    /// What is logged to standard error: error, warn, info, debug or trace, also by module ("info,headwater::wire=debug").
    live log("HEADWATER_LOG"): LogDirectives = "\"info\"";
    /// How log lines look: text or json.
    fixed log_format("HEADWATER_LOG_FORMAT"): LogFormat = "\"text\"";

    /// I/O workers, each a thread; 0 is one per core.
    fixed workers("HEADWATER_WORKERS"): Within<0, 1024> = "0";
    /// Connections at most; more wait to be accepted.
    fixed max_connections("HEADWATER_MAX_CONNECTIONS"): Within<1, 10_000_000> = "16000";
    /// Connections at most from one address; 0 is any number, as it must be behind a proxy.
    fixed connections_per_address("HEADWATER_CONNECTIONS_PER_ADDRESS"): Within<0, 10_000_000> = "0";
    /// Seconds that an idle connection is kept. More than the 60 s of common proxies, so that they never find one just closed.
    fixed keep_alive_s("HEADWATER_KEEP_ALIVE_S"): Within<1, 86_400> = "75";
    /// Seconds that a client may take for the head of its first request.
    fixed head_timeout_s("HEADWATER_HEAD_TIMEOUT_S"): Within<1, 3_600> = "10";
    /// Seconds that a client may take nothing of its response before it is cut. A paused player is such a client.
    fixed stall_limit_s("HEADWATER_STALL_LIMIT_S"): Within<1, 604_800> = "900";
    /// Seconds that running responses are given to end after SIGTERM.
    fixed drain_s("HEADWATER_DRAIN_S"): Within<0, 86_400> = "30";
    /// TCP congestion control of accepted connections, such as cubic or bbr. Default: the system's.
    fixed tcp_congestion("HEADWATER_TCP_CONGESTION"): String;

    /// Threads for the disk of each root.
    fixed disk_threads("HEADWATER_DISK_THREADS"): Within<1, 256> = "4";
    /// Calls that may wait for a thread of a root; more are refused with 503.
    fixed disk_queue("HEADWATER_DISK_QUEUE"): Within<16, 1_000_000> = "4096";
    /// Milliseconds that a request waits for a disk before it is answered with 503.
    fixed disk_deadline_ms("HEADWATER_DISK_DEADLINE_MS"): Within<10, 600_000> = "5000";
    /// Files of each root that are kept open for the next request.
    fixed open_files("HEADWATER_OPEN_FILES"): Within<16, 1_000_000> = "1024";
    /// Milliseconds that an open file is taken to be still the one under its name; a change that the kernel reports ends this at once.
    fixed open_file_trust_ms("HEADWATER_OPEN_FILE_TRUST_MS"): Within<0, 3_600_000> = "1000";
    /// MiB of buffers for pieces of files on their way to a connection.
    fixed body_buffers_mib("HEADWATER_BODY_BUFFERS_MIB"): Within<1, 65_536> = "32";

    /// Titles listed at most, about 300 bytes of memory each; more play but are not listed.
    fixed max_titles("HEADWATER_MAX_TITLES"): Within<1, 100_000_000> = "1000000";
    /// Seconds between two scans of a root, which repair what watching missed.
    fixed rescan_s("HEADWATER_RESCAN_S"): Within<1, 604_800> = "600";
    /// Whether files that are no media are served too, as attachments.
    live serve_other_files("HEADWATER_SERVE_OTHER_FILES"): bool = "false";

    /// Seconds that caches may keep a file before they ask whether it has changed.
    live file_max_age_s("HEADWATER_FILE_MAX_AGE_S"): Within<0, 31_536_000> = "60";
    /// Seconds that caches may remember that there is no such file.
    live not_found_max_age_s("HEADWATER_NOT_FOUND_MAX_AGE_S"): Within<0, 86_400> = "5";
    /// CDN-Cache-Control (RFC 9213) for media, for caches that obey it instead of Cache-Control. Default: none.
    live cdn_cache_control("HEADWATER_CDN_CACHE_CONTROL"): FieldValue;
    /// Origins whose pages may read media by script, as scheme://host, separated by spaces; "*" is any.
    live cors_origins("HEADWATER_CORS_ORIGINS"): Origins = "\"*\"";
    /// Seconds after a followed file's last growth until its response ends.
    live follow_idle_s("HEADWATER_FOLLOW_IDLE_S"): Within<1, 86_400> = "30";
    /// Seconds after its writer was seen to close a followed file until its response ends.
    live follow_closed_s("HEADWATER_FOLLOW_CLOSED_S"): Within<0, 86_400> = "2";
    /// Folder with the page's sources, to serve them as they are while they are worked on. Default: the built-in page.
    fixed page_dir("HEADWATER_PAGE_DIR"): PathBuf;
}

/// A default of the list. They are literals, and a test reads each of them.
fn default_value<T: serde::de::DeserializeOwned>(toml: &str) -> T {
    #[derive(Deserialize)]
    struct Value<T> {
        value: T,
    }
    toml::from_str::<Value<T>>(&format!("value = {toml}")).expect("a default that is allowed").value
}

/// Why a configuration was refused; meant to be read by people.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file says something that is not known or not possible.
    #[error("{}: {error}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What and where; shows the line.
        error: Box<toml::de::Error>,
    },
    /// Values that are possible each by itself, but not together.
    #[error("{0}")]
    Conflict(String),
}

impl Layer {
    /// What a configuration file says. Relative paths in it are relative to the file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let owned = || path.to_owned();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Read { path: owned(), error })?;
        let mut layer: Self = toml::from_str(&text)
            .map_err(|error| ConfigError::Parse { path: owned(), error: Box::new(error) })?;
        let base = path.parent().unwrap_or(Path::new(""));
        let paths = [&mut layer.data, &mut layer.page_dir].into_iter().flatten();
        for relative in paths.chain(layer.root.iter_mut().map(|root| &mut root.dir)) {
            *relative = base.join(&relative);
        }
        if let Some(log) = layer.access_log.as_mut().filter(|log| log.as_os_str() != "-") {
            *log = base.join(&log);
        }
        Ok(layer)
    }
}

impl Settings {
    /// The roots with the names that their paths begin with: none when there is one root.
    pub fn named_roots(&self) -> Result<Vec<(Option<String>, PathBuf)>, ConfigError> {
        if let [only] = self.roots.as_slice() {
            return Ok(vec![(None, only.dir.clone())]);
        }
        let mut named: Vec<(Option<String>, PathBuf)> = Vec::new();
        for root in &self.roots {
            let name = match &root.name {
                Some(name) => Some(name.clone()),
                None => std::fs::canonicalize(&root.dir)
                    .ok()
                    .and_then(|dir| Some(dir.file_name()?.to_str()?.to_owned())),
            };
            let dir = root.dir.display();
            let name = name.ok_or_else(|| {
                ConfigError::Conflict(format!("{dir} has no name of its own; say name={dir}"))
            })?;
            if name.starts_with('.') || name.contains(['/', '\\', '\0']) {
                let why = format!("{name:?} cannot name a root: no slash, no leading dot");
                return Err(ConfigError::Conflict(why));
            }
            if named.iter().any(|(known, _)| known.as_ref() == Some(&name)) {
                let why = format!("two roots are named {name:?}; say other={dir}");
                return Err(ConfigError::Conflict(why));
            }
            named.push((Some(name), root.dir.clone()));
        }
        Ok(named)
    }

    /// The data folder (DESIGN: `--data`, then what systemd and XDG say, then the home directory).
    pub fn data_folder(&self) -> Result<PathBuf, ConfigError> {
        let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let below = |name, rest: &str| var(name).map(|base| Path::new(&base).join(rest));
        let missing = || ConfigError::Conflict("no home directory; say --data DIR".into());
        self.data
            .clone()
            .or_else(|| var("STATE_DIRECTORY").map(PathBuf::from))
            .or_else(|| below("XDG_STATE_HOME", "headwater"))
            .or_else(|| below("HOME", ".local/state/headwater"))
            .ok_or_else(missing)
    }
}

impl<const MIN: u64, const MAX: u64> fmt::Display for Within<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_file_the_readme_and_the_code_say_the_same() {
        let file = include_str!("../config/headwater.toml");
        let readme = include_str!("../README.md");
        let unwrapped = file.replace("\n# ", " ");
        for key in KEYS {
            let doc = key.doc.trim();
            assert!(unwrapped.contains(doc), "config/headwater.toml says otherwise: {doc}");
            assert!(readme.contains(doc), "the README says otherwise: {doc}");
            let line = match key.default {
                Some(default) => format!("\n{} = {default}\n", key.name),
                None => format!("\n# {} = ", key.name),
            };
            assert!(file.contains(&line), "config/headwater.toml lacks {line:?}");
            assert!(readme.contains(&format!("| `{}` |", key.name)), "README lacks {}", key.name);
            assert_eq!(key.env, format!("HEADWATER_{}", key.name.to_uppercase()));
        }
        let layer: Layer = toml::from_str(file).expect("the documented file is valid");
        let (documented, default) = (Settings::from_layers(&[layer]), Settings::from_layers(&[]));
        assert_eq!(format!("{documented:?}"), format!("{default:?}"));
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = toml::from_str::<Layer>("\nlisen = 1\n").expect_err("unknown").to_string();
        assert!(error.contains("line 2") && error.contains("lisen"), "{error}");
    }

    #[test]
    fn an_impossible_value_is_refused_with_key_value_and_range() {
        let error = toml::from_str::<Layer>("workers = 5000").expect_err("too many").to_string();
        for part in ["line 1", "workers = 5000", "5000 is not a whole number from 0 to 1024"] {
            assert!(error.contains(part), "{error} lacks {part:?}");
        }
    }

    #[test]
    fn a_text_that_means_nothing_is_refused() {
        for line in ["log = 'inf=o=x'", "cors_origins = 'tv.example'", "cdn_cache_control = 'a\tb'"]
        {
            let error = toml::from_str::<Layer>(line).expect_err(line).to_string();
            assert!(error.contains("line 1") && error.contains("is not"), "{error}");
        }
    }

    #[test]
    fn earlier_layers_win() {
        let layer = |text| toml::from_str::<Layer>(text).expect("a layer");
        let settings =
            Settings::from_layers(&[layer("drain_s = 1"), layer("drain_s = 2\nlog = 'warn'")]);
        assert_eq!(settings.drain_s.get(), 1);
        assert_eq!(&*settings.log, "warn");
        assert_eq!(settings.workers.get(), 0);
    }

    #[test]
    fn only_what_differs_and_cannot_be_reloaded_needs_a_restart() {
        let of = |text| Settings::from_layers(&[toml::from_str::<Layer>(text).expect("a layer")]);
        let changed = of("drain_s = 1\nlog = 'debug'");
        assert_eq!(changed.restart_needed(&of("")), ["drain_s"]);
    }

    #[test]
    fn several_roots_have_names_and_no_two_the_same() {
        let settings = |roots: &[&str]| {
            let root = roots.iter().map(|root| root.parse().expect("a root")).collect();
            Settings::from_layers(&[Layer { root, ..Layer::default() }])
        };
        assert_eq!(settings(&["/tmp"]).named_roots().expect("one"), [(None, "/tmp".into())]);
        let two = settings(&["a=/tmp", "/usr"]).named_roots().expect("two");
        assert_eq!(
            two.iter().map(|root| root.0.as_deref()).collect::<Vec<_>>(),
            [Some("a"), Some("usr")]
        );
        assert!(settings(&["a=/tmp", "a=/usr"]).named_roots().is_err());
        assert!(settings(&[".a=/tmp", "b=/usr"]).named_roots().is_err());
    }
}
