//! Configuration.
//!
//! [`keys`] lists every key with its type, default and meaning. It defines the configuration file
//! (`key = value`), the environment (`HEADWATER_KEY`) and the flags (`--key`); later ones override
//! earlier ones. Tests compare `config/headwater.toml` and `docs/configuration.md` with it.
//!
//! A [`Layer`] holds the values of one place; layers merge into [`Settings`].

mod artifacts;
mod artifacts_place;
pub mod keys;
pub mod listen;
#[cfg(test)]
mod reference;
pub mod root;
mod unknown_key;
pub mod value;

use std::path::{Component, Path, PathBuf};

pub use artifacts_place::ArtifactsPlace;
pub use keys::{KEYS, Key, Layer, Settings};
pub use listen::{ListenAddress, local_address};
pub use root::{BucketConfig, RootConfig, RootName, RootSource};
pub use unknown_key::similar;
pub use value::{
    AccessLogFormat, LogFormat, RenditionPolicy, Sandboxing, WebhookConfig, WebhookEvent,
};

/// The least part of the cache of indices for clips, in bytes, unless that is more than a quarter.
const CLIP_CACHE_BYTES_MIN: u64 = 16 << 20;

/// Why a configuration is invalid, for people.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Reading the file failed.
    #[error("cannot read the configuration file {}: {error}; see --config", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file has an unknown key or an invalid value.
    #[error("{}: {}", path.display(), unknown_key::explain(error))]
    Parse {
        /// The file.
        path: PathBuf,
        /// The reason, with the line.
        error: Box<toml::de::Error>,
    },
    /// Values that are valid on their own, but not together.
    #[error("{0}")]
    Conflict(String),
}

/// A root with its name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedRootConfig {
    /// First component of its titles' paths; `None` if it is the only root.
    pub name: Option<String>,
    /// The folder or the bucket.
    pub source: RootSource,
    /// Whether writers overwrite its files in place.
    pub is_overwritten: bool,
}

impl Layer {
    /// Reads a configuration file. Paths in it are relative to the file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let owned = || path.to_owned();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Read { path: owned(), error })?;
        let mut layer: Self = toml::from_str(&text)
            .map_err(|error| ConfigError::Parse { path: owned(), error: Box::new(error) })?;
        let base = path.parent().unwrap_or(Path::new(""));
        let join = |relative: &mut PathBuf| *relative = base.join(&relative);
        let Self { data, cache, ui_dir, api_token_file, .. } = &mut layer;
        [data, cache, ui_dir, api_token_file].into_iter().flatten().for_each(join);
        layer.root.iter_mut().for_each(|root| root.source.for_each_path(join));
        layer.artifacts.iter_mut().for_each(|place| place.change_path(join));
        layer.webhook.iter_mut().for_each(|webhook| join(&mut webhook.secret_file));
        if let Some(log) = layer.access_log.as_mut().filter(|log| log.as_os_str() != "-") {
            *log = base.join(&log);
        }
        if let Some(file) = layer.database.as_deref().and_then(sqlite_file) {
            layer.database = Some(format!("sqlite:{}", base.join(file).display()));
        }
        Ok(layer)
    }
}

/// The file of a database URL, if it names one.
fn sqlite_file(url: &str) -> Option<&str> {
    let file = url.strip_prefix("sqlite:")?;
    Some(file.strip_prefix("//").unwrap_or(file)).filter(|file| !file.is_empty())
}

/// Makes a path absolute. Touches no disk, which may hang.
fn make_absolute(path: &mut PathBuf) {
    // An empty path stays as it is, and is reported where it is used.
    if let Ok(absolute) = std::path::absolute(&*path) {
        *path = absolute;
    }
}

impl Settings {
    /// Makes all paths absolute: ffmpeg runs in a folder of its own.
    #[must_use]
    pub(super) fn with_absolute_paths(mut self) -> Self {
        let Self { data, cache, ui_dir, api_token_file, .. } = &mut self;
        let files = [data, cache, ui_dir, api_token_file];
        files.into_iter().flatten().for_each(make_absolute);
        let log = self.access_log.as_mut().filter(|log| log.as_os_str() != "-");
        log.into_iter().for_each(make_absolute);
        self.roots.iter_mut().for_each(|root| root.source.for_each_path(make_absolute));
        self.artifacts.iter_mut().for_each(|place| place.change_path(make_absolute));
        self.webhooks.iter_mut().for_each(|webhook| make_absolute(&mut webhook.secret_file));
        if let Some(file) = self.database.as_deref().and_then(sqlite_file) {
            let mut file = PathBuf::from(file);
            make_absolute(&mut file);
            self.database = Some(format!("sqlite:{}", file.display()));
        }
        self
    }

    /// The part of the cache of indices that is for movies, in bytes.
    pub fn movie_cache_bytes(&self) -> u64 {
        (self.index_cache_mib.get() << 20) - self.clip_cache_bytes()
    }

    /// The part of the cache of indices that is for clips, in bytes: strangers can fill it, so it is small. It
    /// takes the clips of some twenty viewers of two hours each; a layout that it lacks is computed again.
    pub fn clip_cache_bytes(&self) -> u64 {
        let bytes = self.index_cache_mib.get() << 20;
        (bytes / 16).max(CLIP_CACHE_BYTES_MIN.min(bytes / 4))
    }

    /// The roots with the names that their paths begin with: none when there is one root.
    pub fn named_roots(&self) -> Result<Vec<NamedRootConfig>, ConfigError> {
        let named = |root: &RootConfig, name| NamedRootConfig {
            name,
            source: root.source.clone(),
            is_overwritten: root.overwritten_in_place,
        };
        if let [only] = self.roots.as_slice() {
            return Ok(vec![named(only, None)]);
        }
        let mut all: Vec<NamedRootConfig> = Vec::new();
        for root in &self.roots {
            let source = &root.source;
            let name = match &root.name {
                Some(name) => name.to_string(),
                None => source
                    .own_name()
                    .ok_or_else(|| format!("{source} has no name of its own; say name={source}"))
                    .and_then(|name| match RootName::try_from(name) {
                        Ok(name) => Ok(name.to_string()),
                        Err(why) => Err(format!("{why}; say name={source}")),
                    })
                    .map_err(ConfigError::Conflict)?,
            };
            if all.iter().any(|known| known.name.as_ref() == Some(&name)) {
                let why = format!("two roots are named {name:?}; say other={source}");
                return Err(ConfigError::Conflict(why));
            }
            all.push(named(root, Some(name)));
        }
        Ok(all)
    }

    /// The folder of the cache of buckets: `--cache`, else one in the data folder.
    pub fn cache_folder(&self, data: &Path) -> PathBuf {
        self.cache.clone().unwrap_or_else(|| data.join("cache"))
    }

    /// The data folder: `--data`, else systemd's or XDG's, else one in the home directory.
    pub fn data_folder(&self) -> Result<PathBuf, ConfigError> {
        let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let below = |name, rest: &str| var(name).map(|base| Path::new(&base).join(rest));
        let missing =
            || ConfigError::Conflict("no home directory; choose a data folder with --data".into());
        let mut folder = self
            .data
            .clone()
            .or_else(|| var("STATE_DIRECTORY").map(PathBuf::from))
            .or_else(|| below("XDG_STATE_HOME", "headwater"))
            .or_else(|| below("HOME", ".local/state/headwater"))
            .ok_or_else(missing)?;
        make_absolute(&mut folder);
        Ok(folder)
    }
}

/// The last name of a directory's path, made absolute. Touches no disk, which may hang; so a `..` behind a
/// link gives the name of the link's folder.
fn own_name(dir: &Path) -> Option<String> {
    let mut names = Vec::new();
    for component in std::path::absolute(dir).ok()?.components() {
        match component {
            Component::Normal(name) => names.push(name.to_owned()),
            Component::ParentDir => drop(names.pop()),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    names.pop()?.into_string().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_file_and_code_list_the_same_keys() {
        let file = include_str!("../../config/headwater.toml");
        let unwrapped = file.replace("\n# ", " ");
        for key in KEYS {
            let doc = key.doc.trim();
            assert!(unwrapped.contains(doc), "config/headwater.toml differs: {doc}");
            let line = match key.default {
                Some(default) => format!("\n{} = {default}\n", key.name),
                None => format!("\n# {} = ", key.name),
            };
            assert!(file.contains(&line), "config/headwater.toml lacks {line:?}");
            assert_eq!(key.env, format!("HEADWATER_{}", key.name.to_uppercase()));
        }
        let layer: Layer = toml::from_str(file).expect("the documented file is valid");
        let (documented, default) = (Settings::from_layers(&[layer]), Settings::from_layers(&[]));
        assert_eq!(format!("{documented:?}"), format!("{default:?}"));
    }

    #[test]
    fn files_are_relative_to_the_configuration_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |text: &str| {
            let path = folder.path().join("headwater.toml");
            std::fs::write(&path, text).expect("a file");
            Layer::read(&path).expect("a layer")
        };
        let layer = read("data = 'state'\ndatabase = 'sqlite:jobs.db'");
        assert_eq!(layer.data, Some(folder.path().join("state")));
        let beside = format!("sqlite:{}", folder.path().join("jobs.db").display());
        assert_eq!(layer.database.as_deref(), Some(&*beside));
        assert_eq!(read("database = 'sqlite://jobs.db'").database, Some(beside));
        for elsewhere in ["sqlite:/srv/jobs.db", "postgres://db.example/headwater"] {
            let layer = read(&format!("database = '{elsewhere}'"));
            assert_eq!(layer.database.as_deref(), Some(elsewhere));
        }
    }

    #[test]
    fn relative_paths_are_those_of_the_current_folder() {
        let here = std::env::current_dir().expect("a folder");
        let text = "data = 'state'\ncache = 'cache'\ndatabase = 'sqlite:jobs.db'\naccess_log = 'log'\nui_dir = 'web'\n\
                    api_token_file = 'token'\n[[root]]\ndir = 'films'";
        let settings =
            |text| Settings::from_layers(&[toml::from_str::<Layer>(text).expect("a layer")]);
        let relative = settings(text);
        assert_eq!(relative.data_folder().expect("a folder"), here.join("state"));
        assert_eq!(relative.data, Some(here.join("state")));
        assert_eq!(relative.access_log, Some(here.join("log")));
        assert_eq!(relative.ui_dir, Some(here.join("web")));
        assert_eq!(relative.api_token_file, Some(here.join("token")));
        assert_eq!(relative.roots[0].source.folder(), Some(&*here.join("films")));
        assert_eq!(relative.cache_folder(Path::new("/srv")), here.join("cache"));
        let database = format!("sqlite:{}", here.join("jobs.db").display());
        assert_eq!(relative.database, Some(database));
        let other = settings("access_log = '-'\ndatabase = 'postgres://db/x'");
        assert_eq!(other.access_log, Some("-".into()));
        assert_eq!(other.database.as_deref(), Some("postgres://db/x"));
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = toml::from_str::<Layer>("\nlisen = 1\n").expect_err("unknown").to_string();
        assert!(error.contains("line 2") && error.contains("lisen"), "{error}");
    }

    #[test]
    fn an_impossible_value_is_refused_with_key_value_and_range() {
        let error = toml::from_str::<Layer>("io_threads = 5000").expect_err("too many").to_string();
        for part in ["line 1", "io_threads = 5000", "5000 is not a whole number from 0 to 1024"] {
            assert!(error.contains(part), "{error} lacks {part:?}");
        }
    }

    #[test]
    fn an_unparsable_value_is_refused() {
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
        assert_eq!(settings.io_threads.get(), 0);
    }

    #[test]
    fn only_changed_keys_that_cannot_be_reloaded_need_a_restart() {
        let settings =
            |text| Settings::from_layers(&[toml::from_str::<Layer>(text).expect("a layer")]);
        let changed = settings("drain_s = 1\nlog = 'debug'");
        assert_eq!(changed.restart_needed(&settings("")), ["drain_s"]);
    }

    #[test]
    fn several_roots_have_unique_names() {
        let settings = |roots: &[&str]| {
            let root = roots.iter().map(|root| root.parse().expect("a root")).collect();
            Settings::from_layers(&[Layer { root, ..Layer::default() }])
        };
        let names = |roots: &[&str]| -> Result<Vec<_>, ConfigError> {
            let named = settings(roots).named_roots()?.into_iter();
            let folder = |source: RootSource| source.folder().expect("a folder").to_owned();
            Ok(named.map(|root| (root.name, folder(root.source))).collect())
        };
        assert_eq!(names(&["/tmp"]).expect("one"), [(None, "/tmp".into())]);
        assert_eq!(
            names(&["a=/tmp", "/usr"]).expect("two"),
            [(Some("a".into()), "/tmp".into()), (Some("usr".into()), "/usr".into())]
        );
        let name = |root| names(&["a=/tmp", root]).expect("two")[1].0.clone().expect("a name");
        let here = std::env::current_dir().expect("a folder");
        let last =
            |path: &Path| path.file_name().expect("a name").to_str().expect("text").to_owned();
        assert_eq!(name("."), last(&here));
        assert_eq!(name(".."), last(here.parent().expect("not the root")));
        // These paths do not exist, and the code must not look them up.
        assert_eq!(name("/nowhere/films/"), "films");
        assert_eq!(name("/nowhere/films/../series/."), "series");
        assert!(names(&["a=/tmp", "/"]).is_err());
        assert!(settings(&["a=/tmp", "a=/usr"]).named_roots().is_err());
    }

    #[test]
    fn a_name_of_a_root_is_one_component_of_a_path() {
        for name in ["", ".a", "..", "a/b", "a\\\\b", "a\\nb", "a\\u0000", "a\\u009b"] {
            let table = format!("[[root]]\ndir = '/tmp'\nname = \"{name}\"");
            let error = toml::from_str::<Layer>(&table).expect_err(name).to_string();
            assert!(error.contains("line 3") && error.contains("name of a root"), "{error}");
        }
        for argument in [".a=/tmp", "a\nb=/tmp", "=/tmp", "a=", ""] {
            assert!(argument.parse::<RootConfig>().is_err(), "{argument:?}");
        }
        let named: RootConfig = "Filme für Kinder=/tmp".parse().expect("a root");
        assert_eq!(named.name.as_deref(), Some("Filme für Kinder"));
    }
}
