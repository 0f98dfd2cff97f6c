//! What a server and a worker have in common when they start: the data folder and the library.

use std::{
    fs, io, net::SocketAddr, num::NonZeroU32, os::unix::fs::DirBuilderExt as _, path::PathBuf,
    sync::Arc, time::Duration,
};

use futures::future::try_join_all;
use tokio::sync::Notify;

use crate::{
    config::{ConfigError, NamedDir, Settings},
    extent::disk::{Buffers, DiskPoolSettings, Root, RootSettings},
    library::{IndexCache, Library, NamedRoot},
    store::{DatabaseError, artifacts::ArtifactStore},
    transcode::ffmpeg::NotInstalled,
};

/// Memory for pieces of what was made on their way to whoever reads them, in bytes.
const MADE_BUFFERS_BYTES: usize = 8 << 20;

/// Why a server or a worker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration does not make sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A folder of the library cannot be opened.
    #[error("{}: {error}", dir.display())]
    Root {
        /// The folder.
        dir: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The data folder cannot be made.
    #[error("the data folder {}: {error}", dir.display())]
    Data {
        /// The folder.
        dir: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The address cannot be listened on.
    #[error("{address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The database cannot be opened.
    #[error("the database: {0}")]
    Database(#[from] DatabaseError),
    /// A worker has nothing to work with.
    #[error(transparent)]
    Ffmpeg(#[from] NotInstalled),
    /// The access log cannot be opened.
    #[error("the access log: {0}")]
    AccessLog(io::Error),
    /// The file with the token of the API cannot be used.
    #[error("api_token_file: {0}")]
    Token(io::Error),
    /// The file with the secret of a webhook cannot be used.
    #[error("webhook: {0}")]
    Webhook(io::Error),
    /// The system gives no thread or no event queue.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// The data folder, made if it is not there; what is in it is nobody else's business.
pub fn open_data(settings: &Settings) -> Result<PathBuf, StartError> {
    let dir = settings.data_folder()?;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir);
    made.map_err(|error| StartError::Data { dir: dir.clone(), error })?;
    Ok(dir)
}

/// Opens the folders of the library. Nothing is scanned yet.
pub async fn open_library(settings: &Settings) -> Result<Arc<Library>, StartError> {
    let buffers = Buffers::new(settings.body_buffers_mib.count().saturating_mul(1 << 20));
    let root_settings = root_settings(settings);
    let open = settings.named_roots()?.into_iter().map(|NamedDir { name, dir, is_overwritten }| {
        let buffers = buffers.clone();
        let settle = root_settings.settle.filter(|_| !is_overwritten);
        let root_settings = RootSettings { settle, ..root_settings };
        async move {
            let thread_name = name.as_deref().unwrap_or("root");
            let root = Root::open(thread_name, &dir, buffers, root_settings).await;
            let root = root.map_err(|error| StartError::Root { dir, error })?;
            Ok::<_, StartError>(NamedRoot { name, root, moved: Notify::default() })
        }
    });
    let roots = try_join_all(open).await?;
    let grid_ms = u32::try_from(settings.segment_ms.get()).ok().and_then(NonZeroU32::new);
    let grid_ms = grid_ms.expect("a minute at most, and not 0");
    let indices = IndexCache::new(settings.index_cache_mib.get() << 20, grid_ms);
    Ok(Library::new(roots, settings.max_titles.count(), settings.serve_other_files, indices))
}

/// Opens the folder of what jobs have made, to read it.
pub async fn open_made(artifacts: &ArtifactStore, settings: &Settings) -> io::Result<Arc<Root>> {
    let buffers = Buffers::new(MADE_BUFFERS_BYTES);
    Root::open("artifacts", artifacts.made(), buffers, root_settings(settings)).await
}

/// How the folders that files are served from are treated.
pub fn root_settings(settings: &Settings) -> RootSettings {
    RootSettings {
        lane: DiskPoolSettings {
            threads: settings.disk_threads.count(),
            queue: settings.disk_queue.count(),
            deadline: Duration::from_millis(settings.disk_deadline_ms.get()),
        },
        open_files: settings.open_files.count(),
        trust: Duration::from_millis(settings.revalidate_ms.get()),
        settle: Some(Duration::from_millis(settings.write_quiet_ms.get())),
    }
}
