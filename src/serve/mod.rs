//! Puts a server together and takes it down.
//!
//! Threads: I/O workers for the network, none of which ever waits for a disk; one runtime
//! *beside* them for scans, watching and whatever takes longer than a millisecond; and a lane of
//! disk threads for each root.

mod making;
mod policy;
pub mod start;
pub mod worker;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};

use actix_service::{IntoServiceFactory as _, ServiceFactory as _, map_config};
use actix_web::{App, dev::AppConfig};
use futures::future::join;
use tokio::{
    runtime::{self, Runtime},
    signal::unix::{SignalKind, signal},
};
use tracing::{info, warn};

use self::{making::Making, start::StartError};
use crate::{
    config::{NamedDir, Settings},
    http::{Site, access_log::AccessLog, app, authorization::Token, pipeline::Pipeline},
    jobs::supervisor::WorkerCommand,
    telemetry::{self, Metrics, RequestIds},
    transcode::program::find_program,
    webhooks::Webhook,
    wire::{
        admission::Admission,
        connection::Timeouts,
        drain::Drain,
        io_threads::IoThreads,
        listener::{self, ListenerSettings},
    },
};

/// Descriptors that are no connection: files, logs, sockets of workers.
const DESCRIPTORS_SPARE: u64 = 256;

/// Threads beside the I/O workers for what takes longer than a millisecond: questions to the
/// catalog, codings of texts.
const BLOCKING_THREADS: usize = 4;

/// How long the banner waits for the first scan before it says "so far".
const FIRST_SCAN: Duration = Duration::from_secs(2);

/// A server that is running.
pub struct Server {
    address: SocketAddr,
    data: PathBuf,
    site: Arc<Site>,
    access_log: AccessLog,
    /// How the wire hears that the server goes down.
    drain: Drain,
    making: Making,
    workers: IoThreads,
    beside: Runtime,
}

impl Server {
    /// Starts a server. When this returns, its address answers.
    ///
    /// `worker` is how a worker is started beside it, if one is.
    pub fn start(settings: Settings, worker: Option<WorkerCommand>) -> Result<Self, StartError> {
        let descriptors = raise_descriptor_limit();
        if descriptors < settings.max_connections.get() + DESCRIPTORS_SPARE {
            let wanted = settings.max_connections.get();
            warn!(descriptors, wanted, "fewer descriptors than max_connections; see ulimit -n");
        }
        let beside = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("beside")
            .enable_all()
            .build()?;
        let data = start::open_data(&settings)?;
        let library = beside.block_on(start::open_library(&settings))?;
        let rescan = Duration::from_secs(settings.rescan_s.get());
        for root in 0..library.roots().len() {
            beside.spawn(Arc::clone(&library).keep_watching(root));
            beside.spawn(Arc::clone(&library).keep_scanning(root, rescan));
        }

        let access_log = AccessLog::default();
        access_log.reopen(settings.access_log.as_deref()).map_err(StartError::AccessLog)?;
        let token = settings.api_token_file.as_deref().map(Token::read).transpose();
        let token = token.map_err(StartError::Token)?;
        let webhooks = settings.webhooks.iter().map(Webhook::of).collect::<io::Result<Vec<_>>>();
        let webhooks = webhooks.map_err(StartError::Webhook)?;
        let metrics = Metrics::default();
        let handle = beside.handle().clone();
        let site = Site::new(library, settings, metrics, handle);
        site.token.store(token.map(Arc::new));
        let edge = Pipeline {
            site: Arc::clone(&site),
            access_log: access_log.clone(),
            request_ids: RequestIds::default(),
        };
        let making = Making::start(&site, &data, worker, webhooks, beside.handle());
        let drain = Drain::default();
        let (address, workers) = start_workers(edge, &drain)?;
        Ok(Self { address, data, site, access_log, drain, making, workers, beside })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its routes share.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// Takes the server down. Gracefully: no new connections, running responses may end until the
    /// configured deadline.
    pub fn stop(self, gracefully: bool) {
        self.site.start_draining();
        self.drain.begin();
        // What is made has nobody to wait for; what is sent may take as long as a drain may.
        let patience = Duration::from_secs(self.site.settings.load().drain_s.get());
        let stopping = self.workers.stop(gracefully.then_some(patience));
        self.beside.block_on(join(stopping, self.making.stop()));
        // What they were sending has a line in the access log like everything else.
        drop(self.workers);
        self.access_log.finish();
        // A disk call that hangs must not hold the process up.
        self.beside.shutdown_background();
    }

    /// Takes over what can be changed while running, and says what cannot.
    fn reload(&self, fresh: &Settings) {
        let current = self.site.settings.load();
        let restart_needed = current.restart_needed(fresh);
        if !restart_needed.is_empty() {
            warn!(
                keys = restart_needed.join(", "),
                "changed, but takes effect with the next start"
            );
        }
        let reloaded = current.reloaded(fresh);
        if let Err(error) = self.access_log.reopen(reloaded.access_log.as_deref()) {
            warn!(%error, "the access log cannot be opened anew and stays as it is");
        }
        match reloaded.api_token_file.as_deref().map(Token::read).transpose() {
            Ok(token) => self.site.token.store(token.map(Arc::new)),
            Err(error) => warn!(%error, "the token of the API stays as it is"),
        }
        let other_files = reloaded.serve_other_files;
        self.site
            .library
            .serve_other_files
            .store(other_files, std::sync::atomic::Ordering::Relaxed);
        self.site.settings.store(Arc::new(reloaded));
        info!("reloaded");
    }

    /// Where to look, what was found, and what is missing.
    fn print_banner(&self) {
        let settings = self.site.settings.load();
        let mut shown = self.address;
        if shown.ip().is_unspecified() {
            shown.set_ip(match shown.ip() {
                IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
                IpAddr::V6(_) => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
            });
        }
        let catalog = &self.site.library.catalog;
        self.beside.block_on(async {
            let scanned = async {
                while catalog.is_scanning() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            let _ = tokio::time::timeout(FIRST_SCAN, scanned).await;
        });
        let so_far = if catalog.is_scanning() { " so far" } else { "" };
        println!("Headwater {}", env!("CARGO_PKG_VERSION"));
        println!("  page     http://{shown}/");
        if self.address.ip().is_unspecified() {
            println!("           (on every address of this machine, port {})", shown.port());
        }
        println!("  titles   {}{so_far}", catalog.len());
        for NamedDir { name, dir, .. } in settings.named_roots().unwrap_or_default() {
            let name = name.map(|name| format!("{name}/")).unwrap_or_default();
            println!("           /media/{name} is {}", dir.display());
        }
        println!("  data     {}", self.data.display());
        if find_program("ffmpeg").is_none() {
            println!(
                "  missing  ffmpeg; files play without it, but pictures and renditions will need it"
            );
        }
    }
}

/// Serves until a signal ends it: SIGTERM drains, SIGINT and SIGQUIT (and a second SIGTERM) do not
/// wait, SIGHUP takes over what `fresh` settings say.
pub fn run(
    settings: Settings,
    worker: WorkerCommand,
    fresh: impl Fn() -> Result<Settings, String>,
) -> Result<(), StartError> {
    let log = telemetry::start_log(&settings.log, settings.log_format);
    telemetry::count_panics();
    let worker = settings.local_worker.then_some(worker);
    let server = Server::start(settings, worker)?;
    // Before anybody is told that the server is there, and may signal it.
    let (mut terminate, mut interrupt, mut quit, mut hang_up) = {
        let _runtime = server.beside.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::quit())?,
            signal(SignalKind::hangup())?,
        )
    };
    server.print_banner();
    let gracefully = server.beside.block_on(async {
        loop {
            tokio::select! {
                _ = terminate.recv() => return true,
                _ = interrupt.recv() => return false,
                _ = quit.recv() => return false,
                _ = hang_up.recv() => match fresh() {
                    Ok(fresh) => {
                        if let Some(log) = &log {
                            log.set(&fresh.log);
                        }
                        server.reload(&fresh);
                    }
                    Err(error) => warn!(%error, "not reloaded"),
                },
            }
        }
    });
    if gracefully {
        let open = server.site.metrics.open_connections();
        info!(connections = open, "draining; a second signal ends at once");
        server.beside.spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            std::process::exit(1);
        });
    }
    server.stop(gracefully);
    info!("stopped");
    Ok(())
}

/// Listens, and starts the I/O workers.
fn start_workers(edge: Pipeline, drain: &Drain) -> Result<(SocketAddr, IoThreads), StartError> {
    let settings = edge.site.settings.load_full();
    let kib = |kib: u64| (kib > 0).then_some(kib << 10);
    let listening = ListenerSettings {
        timeouts: Timeouts {
            keep_alive: Duration::from_secs(settings.keep_alive_s.get()),
            request_head: Duration::from_secs(settings.head_timeout_s.get()),
            send: Duration::from_secs(settings.send_timeout_s.get()),
        },
        window_bytes: settings.window_kib.get() << 10,
        notsent_lowat_bytes: u32::try_from(settings.notsent_lowat_kib.get() << 10)
            .unwrap_or(u32::MAX),
        congestion_control: settings.tcp_congestion.clone(),
        send_buffer_bytes: kib(settings.send_buffer_kib.get())
            .and_then(|bytes| bytes.try_into().ok()),
        rate_limit_bytes_per_s: kib(settings.rate_limit_kib_s.get()),
    };
    let listen_error = |error| StartError::Listen { address: settings.listen, error };
    let socket = listener::bind(settings.listen, &listening).map_err(listen_error)?;
    let address = socket.local_addr()?;
    let workers = match settings.io_threads.count() {
        0 => thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let per_address = settings.connections_per_address.count();
    let admission = Admission::new(per_address, edge.site.metrics.clone());
    let drain = drain.clone();
    let serve = move || {
        let (edge, listening) = (edge.clone(), listening.clone());
        let (admission, drain) = (Arc::clone(&admission), drain.clone());
        async move {
            let site = Arc::clone(&edge.site);
            let app = App::new().configure(move |config| app::configure(config, &site));
            let app = map_config(app.into_factory(), |()| AppConfig::default());
            let app = edge.clone().around(app).new_service(()).await;
            let app = app.map_err(|()| io::Error::other("the App cannot be put together"))?;
            Ok(listener::create_handler(&listening, admission, drain, edge, app).await)
        }
    };
    let started = IoThreads::start(&socket, workers, settings.max_connections.count(), serve);
    Ok((address, started?))
}

/// Raises the limit of open descriptors as far as it goes, and returns it.
fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    now.current.unwrap_or(u64::MAX)
}
