//! A server in this process, on a free port.

use std::{
    fs,
    net::SocketAddr,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    thread,
};

use headwater::{
    config::{Layer, RootConfig, Settings},
    extent::disk::DiskPool,
    library::MediaPath,
    serve::{Server, start::StartError},
    shares::ClientKey,
};
use tempfile::TempDir;

use crate::support::{
    client::{Client, Response},
    exposition,
    folder::Folder,
    wait::until,
};

/// A running server; dropping it stops the server.
pub struct Serving {
    server: Option<Server>,
    /// Its address.
    pub address: SocketAddr,
    _data: Option<TempDir>,
}

/// Serves one folder with the default settings.
pub fn serve(folder: &Folder) -> Serving {
    serve_with(&[folder.0.path().into()], "")
}

/// Serves folders (`name=DIR` as on the command line), with lines of configuration.
pub fn serve_with(roots: &[PathBuf], configuration: &str) -> Serving {
    start(roots, configuration).expect("a server")
}

/// Like [`serve_with`], but may fail.
pub fn start(roots: &[PathBuf], configuration: &str) -> Result<Serving, StartError> {
    let data = TempDir::new().expect("a data folder");
    let server = start_in(data.path(), roots, configuration)?;
    Ok(Serving { address: server.address(), server: Some(server), _data: Some(data) })
}

/// Like [`serve_with`], with a data folder that others may use, too.
pub fn serve_in(data: &Path, roots: &[PathBuf], configuration: &str) -> Serving {
    let server = start_in(data, roots, configuration).expect("a server");
    Serving { address: server.address(), server: Some(server), _data: None }
}

fn start_in(data: &Path, roots: &[PathBuf], configuration: &str) -> Result<Server, StartError> {
    let file: Layer = toml::from_str(configuration).expect("a configuration");
    let root = |root: &PathBuf| -> RootConfig {
        root.to_str().expect("a name in UTF-8").parse().expect("a root")
    };
    let typed = Layer {
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0)).into()),
        data: Some(data.into()),
        root: roots.iter().map(root).collect(),
        ..Layer::default()
    };
    Server::start(Settings::from_layers(&[typed, file]), None)
}

impl Serving {
    /// Connects to it.
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// A request on a new connection. `fields` are whole lines.
    pub fn request(&self, method: &str, target: &str, fields: &[&str]) -> Response {
        self.connect().request(method, target, fields)
    }

    /// A GET on a new connection.
    pub fn get(&self, target: &str, fields: &[&str]) -> Response {
        self.request("GET", target, fields)
    }

    /// Waits until the server watches the folder, and knows all earlier changes.
    pub fn until_watching(&self, folder: &Folder) {
        let catalog = &self.site().titles.library.catalog;
        self.until_scanned();
        // Only a watch finds a file that is written after the scan.
        let name = "watch probe.mp4";
        let probe = MediaPath::from_path(Path::new(name)).expect("a name");
        let mut looks = 0;
        until("the folder is watched", || {
            // Not on each look, or the event queue overflows.
            if looks % 100 == 0 {
                folder.put(name, []);
            }
            looks += 1;
            catalog.get(&probe).is_some()
        });
        fs::remove_file(folder.path(name)).expect("a file");
        until("the probe is forgotten", || catalog.get(&probe).is_none());
    }

    /// Waits until the first scan is over.
    pub fn until_scanned(&self) {
        until("the first scan is over", || !self.site().titles.library.catalog.is_scanning());
    }

    /// Waits until every title in lists has been read.
    pub fn until_indexed(&self) {
        self.until_scanned();
        let catalog = &self.site().titles.library.catalog;
        until("every title was read", || catalog.without_facts(None, 1).0.is_empty());
    }

    /// Shuts the server down as SIGTERM does. Returns whether it has ended.
    pub fn drain(&mut self) -> impl Fn() -> bool + use<> {
        let server = self.server.take().expect("running until now");
        let site = Arc::clone(server.site());
        let stopped = thread::spawn(move || server.stop(true));
        until("the server is going down", || site.is_draining());
        move || stopped.is_finished()
    }

    /// A metric, by its name with labels, or the sum over all labels; 0 if there is none.
    pub fn metric(&self, name: &str) -> u64 {
        let text = String::from_utf8(self.get("/metrics", &[]).body).expect("text");
        exposition::metric(&text, name).unwrap_or_default()
    }
}

impl Deref for Serving {
    type Target = Server;

    fn deref(&self) -> &Server {
        self.server.as_ref().expect("running until dropped")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop(false);
        }
    }
}

/// Blocks every thread of a root's disk pool, as a disk that hangs does. Dropping the result ends
/// it. This needs no privileges, so it runs everywhere.
pub fn occupy(serving: &Serving, root: usize) -> Vec<Sender<()>> {
    let pool = serving.site().titles.library.roots()[root].root.pool();
    occupy_pool(pool, serving.site().settings.load().disk_threads.count())
}

/// As [`occupy`], for the pool of any disk.
pub fn occupy_pool(pool: &DiskPool, threads: usize) -> Vec<Sender<()>> {
    let (begun, begins) = mpsc::channel();
    let held = (0..threads).map(|_| {
        let (release, wait) = mpsc::channel();
        let begun = begun.clone();
        pool.run_detached(ClientKey::Server, move || {
            begun.send(()).expect("the test waits for this");
            let _ = wait.recv();
        });
        release
    });
    let held = held.collect();
    for _ in 0..threads {
        begins.recv().expect("every call begins");
    }
    held
}
