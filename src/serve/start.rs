//! The start of servers and workers: data folder, library, artifacts.

use std::{
    fs, io,
    net::SocketAddr,
    num::NonZeroU32,
    os::unix::ffi::OsStrExt as _,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use tracing::warn;

use super::{
    buckets::{CacheOf, open_bucket, open_cache},
    descriptors::DescriptorPlan,
};
use crate::{
    config::{ConfigError, NamedRootConfig, RootSource, Settings},
    extent::{
        bucket::{Ends, SettingsError},
        disk::{Buffers, DiskPoolSettings, Root, RootSettings},
    },
    library::{IndexCache, Library, NamedRoot, media_type},
    store::{DatabaseError, identity::IdentityError},
    transcode::ffmpeg::NotInstalled,
};

/// Why a server or a worker could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A root cannot be opened.
    #[error("cannot open the folder {}: {error}; check its path and its permissions", dir.display())]
    Root {
        /// The folder.
        dir: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The settings of a bucket cannot work.
    #[error("{url}: {error}")]
    Bucket {
        /// The bucket's URL.
        url: String,
        /// Why.
        error: SettingsError,
    },
    /// The cache of buckets cannot be opened. The reason names its folder.
    #[error("{0}; choose another folder with --cache")]
    Cache(io::Error),
    /// The data folder cannot be created.
    #[error("cannot use the data folder {}: {error}; choose another with --data", dir.display())]
    Data {
        /// The folder.
        dir: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The folder of artifacts cannot be used.
    #[error("cannot use the folder of artifacts {}: {error}; choose another with --artifacts", folder.display())]
    Artifacts {
        /// The folder.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another server uses the data folder.
    #[error("{}", in_use_error(dir, process))]
    DataInUse {
        /// The folder.
        dir: PathBuf,
        /// The number of its process; empty if it is unknown.
        process: String,
    },
    /// The address is in use or not available.
    #[error("{}", listen_error(address, error))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The database and the artifact storage do not belong together.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A worker found no ffmpeg.
    #[error(transparent)]
    Ffmpeg(#[from] NotInstalled),
    /// The access log cannot be opened.
    #[error("access_log: {0}; choose another file with --access-log")]
    AccessLog(io::Error),
    /// The file with the API token is unusable.
    #[error("api_token_file: {0}; choose another file with --api-token-file")]
    Token(io::Error),
    /// The file with the secret of a webhook is unusable.
    #[error("webhook: {0}; see secret_file in the configuration file")]
    Webhook(io::Error),
    /// The system provides no thread or no event queue.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// The message of a folder that another server uses.
fn in_use_error(dir: &Path, process: &str) -> String {
    let process = match process {
        "" => String::new(),
        process => format!(" (process {process})"),
    };
    format!(
        "another server{process} uses the data folder {}; stop it, or choose another folder with --data",
        dir.display()
    )
}

/// The message of a failed listen, with a next step for the common reason.
fn listen_error(address: &SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {} is in use; choose another with --listen", address.port())
        }
        io::ErrorKind::PermissionDenied => format!(
            "port {} needs privileges; choose one from 1024 on with --listen, or grant \
             CAP_NET_BIND_SERVICE",
            address.port()
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!("{} is no address of this machine; choose another with --listen", address.ip())
        }
        // It names its own next step.
        io::ErrorKind::Other => format!("cannot listen on {address}: {error}"),
        _ => format!("cannot listen on {address}: {error}; see --listen"),
    }
}

/// Opens the data folder, and creates it, with access for its owner only.
pub fn open_data(settings: &Settings) -> Result<PathBuf, StartError> {
    let dir = settings.data_folder()?;
    let created = fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
    created.map_err(|error| StartError::Data { dir: dir.clone(), error })?;
    Ok(dir)
}

/// Opens the roots of the library, and fails if none can be opened. A folder that is missing or hangs, or a
/// bucket that does not respond, is reported; the library opens it as soon as it is available. Scans nothing
/// yet.
pub async fn open_library(
    settings: &Settings,
    cache_of: CacheOf,
) -> Result<Arc<Library>, StartError> {
    let buffers = Buffers::new(settings.body_buffers_mib.count().saturating_mul(1 << 20));
    let defaults = root_settings(settings);
    let configured = settings.named_roots()?;
    let cache = open_cache(settings, &configured, cache_of).await?;
    let open = configured.into_iter().map(|NamedRootConfig { name, source, is_overwritten }| {
        let (cache, buffers) = (cache.clone(), buffers.clone());
        async move {
            let config = match source {
                RootSource::Folder(dir) => {
                    let quiet_period = defaults.quiet_period.filter(|_| !is_overwritten);
                    let root_settings = RootSettings { quiet_period, ..defaults };
                    return Ok(open_root(name, dir, buffers, root_settings).await);
                }
                RootSource::Bucket(config) => config,
            };
            let cache = cache.expect("opened, because a root is a bucket");
            let thread_name = name.clone().unwrap_or_else(|| "root".to_owned());
            let place =
                open_bucket(&thread_name, &config, settings, cache, buffers, Ends::Both).await?;
            Ok((NamedRoot::new(name, place), None))
        }
    });
    let opened: Result<Vec<_>, StartError> = join_all(open).await.into_iter().collect();
    let (roots, mut errors): (Vec<_>, Vec<_>) = opened?.into_iter().unzip();
    if errors.iter().all(Option::is_some)
        && let Some(error) = errors.iter_mut().find_map(Option::take)
    {
        return Err(error);
    }
    for error in errors.into_iter().flatten() {
        warn!(%error, "root unavailable, retrying");
    }
    let grid_ms = u32::try_from(settings.segment_ms.get())
        .ok()
        .and_then(NonZeroU32::new)
        .expect("a minute at most, and not 0");
    let indices = IndexCache::new(settings.movie_cache_bytes(), grid_ms);
    Ok(Library::new(roots, settings.max_titles.count(), settings.serve_other_files, indices))
}

/// Opens a root of the library. Of a file, the root is its folder, which shows nothing else.
async fn open_root(
    name: Option<String>,
    dir: PathBuf,
    buffers: Buffers,
    settings: RootSettings,
) -> (NamedRoot, Option<StartError>) {
    let thread_name = name.clone().unwrap_or_else(|| "root".to_owned());
    let open = async |path: &Path| {
        let root = Root::new(&thread_name, path, buffers.clone(), settings);
        let opened = root.reopen().await.map_err(io::Error::other).flatten();
        (root, opened.err())
    };
    let (root, error) = open(&dir).await;
    let is_file = error.as_ref().is_some_and(|error| error.kind() == io::ErrorKind::NotADirectory);
    let (named, error) = match (dir.parent(), dir.file_name()) {
        (Some(folder), Some(file)) if is_file && media_type::is_title(file.as_bytes()) => {
            let (root, error) = open(folder).await;
            (NamedRoot::new(name, root).serving_only(file), error)
        }
        _ if is_file => {
            let refused = io::Error::other("not a folder, and no video or audio file");
            (NamedRoot::new(name, root), Some(refused))
        }
        _ => (NamedRoot::new(name, root), error),
    };
    (named, error.map(|error| StartError::Root { dir, error }))
}

/// The settings of roots and of the artifacts.
pub fn root_settings(settings: &Settings) -> RootSettings {
    RootSettings {
        pool: DiskPoolSettings {
            threads: settings.disk_threads.count(),
            queue: settings.disk_queue.count(),
            deadline: Duration::from_millis(settings.disk_deadline_ms.get()),
        },
        open_files: DescriptorPlan::new(settings).open_files,
        revalidate_after: Duration::from_millis(settings.revalidate_ms.get()),
        quiet_period: Some(Duration::from_millis(settings.write_quiet_ms.get())),
    }
}
