//! Assembles a server, and shuts it down.
//!
//! Threads: I/O threads for the network, which never wait for a disk; a *background* runtime for scans,
//! watching and calls over a millisecond; and a disk pool for each root.

mod artifact_storage;
mod banner;
pub mod bucket_settings;
mod buckets;
mod data_lock;
mod descriptors;
mod fact_indexer;
mod job_system;
mod network_addresses;
mod policy;
mod qr_code;
mod reload;
pub mod start;
mod unused_memory;
pub mod worker;

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};

use actix_service::{IntoServiceFactory as _, ServiceFactory as _, map_config};
use actix_web::{App, dev::AppConfig};
use futures::future::join3;
use rustix::io::Errno;
use tokio::{
    runtime::{self, Runtime},
    signal::unix::{SignalKind, signal},
};
use tracing::{info, warn};

use self::{
    buckets::CacheOf,
    data_lock::DataLock,
    descriptors::DescriptorPlan,
    job_system::JobSystem,
    reload::{Fresh, Reload},
    start::StartError,
};
use crate::{
    config::{LogFormat, Settings},
    extent::disk,
    http::{
        Site,
        access_log::{self, AccessLog},
        app,
        authorization::Token,
        pipeline::Pipeline,
    },
    jobs::supervisor::WorkerCommand,
    store::DatabaseLocation,
    sys::memory,
    telemetry::{self, Metrics, RequestIds},
    webhooks::Webhook,
    wire::{
        admission::Admission,
        connection::Timeouts,
        drain::Drain,
        io_threads::IoThreads,
        listener::{self, ListenerSettings},
    },
};

/// The time to write down what is in the cache of buckets when the server stops.
const CACHE_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Threads of the background runtime for blocking calls: queries of the catalog, compression of text.
const BLOCKING_THREADS: usize = 4;

/// A running server.
pub struct Server {
    address: SocketAddr,
    data: PathBuf,
    _data_lock: DataLock,
    site: Arc<Site>,
    access_log: AccessLog,
    /// Makes connections drain.
    drain: Drain,
    job_system: JobSystem,
    io_threads: IoThreads,
    background: Runtime,
}

impl Server {
    /// Starts a server. When this returns, it accepts connections.
    ///
    /// `worker` is the command of its worker, if it runs one.
    pub fn start(settings: Settings, worker: Option<WorkerCommand>) -> Result<Self, StartError> {
        memory::return_large_blocks();
        let descriptors = descriptors::raise_limit();
        let plan = DescriptorPlan::new(&settings);
        disk::keep_open_at_most(plan.files(&settings));
        if plan.connections < settings.max_connections.count()
            || plan.open_files < settings.open_files.count()
        {
            let DescriptorPlan { connections, open_files } = plan;
            warn!(
                descriptors,
                connections,
                open_files,
                "too few file descriptors for max_connections and open_files, using less; raise ulimit -n"
            );
        }
        // First of all, so that a port in use is noticed before anything is scanned or written. Clients that
        // connect from now on wait for the first I/O thread.
        let listening = listener_settings(&settings);
        let socket = listen(&settings, &listening)?;
        let background = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("background")
            .enable_all()
            .build()?;
        background.spawn(unused_memory::keep_returning());
        let data = start::open_data(&settings)?;
        // A database that is down is retried; a URL that is wrong stays so.
        let database = DatabaseLocation::parse(settings.database.as_deref(), &data)?;
        settings.artifacts_bucket()?;
        let data_lock = DataLock::take(&data, &database)?;
        let library = background.block_on(start::open_library(&settings, CacheOf::Server))?;
        let rescan = Duration::from_secs(settings.rescan_s.get());
        for root in 0..library.roots().len() {
            background.spawn(Arc::clone(&library).keep_watching(root));
            if library.roots()[root].root.bucket().is_none() {
                background.spawn(Arc::clone(&library).keep_scanning(root, rescan));
            }
        }

        let metrics = Metrics::default();
        let access_log = AccessLog::new(&metrics);
        let target = settings.access_log.as_deref().map(access_log::Target::open).transpose();
        let format = settings.access_log_format;
        let started = target.and_then(|target| access_log.set_target(target, format));
        started.map_err(StartError::AccessLog)?;
        let token = settings
            .api_token_file
            .as_deref()
            .map(Token::read)
            .transpose()
            .map_err(StartError::Token)?;
        let webhooks = settings
            .webhooks
            .iter()
            .map(Webhook::from_config)
            .collect::<io::Result<Vec<_>>>()
            .map_err(StartError::Webhook)?;
        let handle = background.handle().clone();
        let site = Site::new(library, settings, metrics, handle);
        site.token.store(token.map(Arc::new));
        let pipeline = Pipeline {
            site: Arc::clone(&site),
            access_log: access_log.clone(),
            request_ids: RequestIds::default(),
        };
        let job_system = JobSystem::start(&site, &data, worker, webhooks, background.handle());
        site.bucket_catalog.start(background.handle());
        if site.settings.load().index_titles {
            background.spawn(fact_indexer::run(Arc::clone(&site)));
        }
        let drain = Drain::default();
        let address = socket.local_addr()?;
        let io_threads = start_io_threads(&socket, listening, pipeline, plan.connections, &drain)?;
        Ok(Self {
            address,
            data,
            _data_lock: data_lock,
            site,
            access_log,
            drain,
            job_system,
            io_threads,
            background,
        })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The state that its routes share.
    pub fn site(&self) -> &Arc<Site> {
        &self.site
    }

    /// Stops the server. Gracefully: it accepts no more connections, and running responses may finish
    /// within `drain_s`.
    pub fn stop(self, gracefully: bool) {
        self.site.start_draining();
        self.drain.begin();
        // Jobs stop at once; responses may take the drain time.
        let drain_time = Duration::from_secs(self.site.settings.load().drain_s.get());
        let stopping = self.io_threads.stop(gracefully.then_some(drain_time));
        let catalog = self.site.bucket_catalog.stop();
        self.background.block_on(join3(stopping, self.job_system.stop(), catalog));
        // Aborted responses log their lines first.
        drop(self.io_threads);
        self.access_log.finish();
        // So that the next process finds what is in the cache.
        if let Some(cache) = self.site.bucket_cache() {
            let closing = self.background.spawn_blocking(move || cache.close());
            let closed = async { tokio::time::timeout(CACHE_CLOSE_TIMEOUT, closing).await };
            if self.background.block_on(closed).is_err() {
                warn!("the disk of the cache did not respond in time");
            }
        }
        // A disk call that hangs must not block the exit.
        self.background.shutdown_background();
    }

    /// Applies the keys that can be reloaded, and logs those that need a restart. Blocks nothing.
    fn apply(&self, fresh: Fresh) {
        telemetry::log::set_filter(&fresh.settings.log);
        let current = self.site.settings.load();
        let restart_needed = current.restart_needed(&fresh.settings);
        if !restart_needed.is_empty() {
            warn!(keys = restart_needed.join(", "), "changed keys take effect after a restart");
        }
        let reloaded = current.reloaded(&fresh.settings);
        let format = reloaded.access_log_format;
        let reopened =
            fresh.access_log.and_then(|target| self.access_log.set_target(target, format));
        if let Err(error) = reopened {
            warn!(%error, "could not reopen the access log, keeping the current one");
        }
        match fresh.token {
            Ok(token) => self.site.token.store(token.map(Arc::new)),
            Err(error) => warn!(%error, "could not read the API token, keeping the current one"),
        }
        let other_files = reloaded.serve_other_files;
        self.site
            .titles
            .library
            .serve_other_files
            .store(other_files, std::sync::atomic::Ordering::Relaxed);
        self.site.titles.idle_limit.set(reloaded.follow_idle_s.get());
        self.site.settings.store(Arc::new(reloaded));
        info!("configuration reloaded");
    }
}

/// Serves until a signal: SIGTERM drains; SIGINT, SIGQUIT and a second SIGTERM stop at once; SIGHUP
/// reads the settings again. `worker` is the command of a local worker, or why there is none.
pub fn run(
    settings: Settings,
    worker: io::Result<WorkerCommand>,
    read_settings: impl Fn() -> Result<Settings, String> + Send + Sync + 'static,
) -> Result<(), StartError> {
    telemetry::log::start(&settings.log, settings.log_format == LogFormat::Json)?;
    telemetry::panics::count();
    let worker = match worker {
        _ if !settings.local_worker => None,
        Ok(command) => Some(command),
        Err(error) => {
            warn!(%error, "no worker: cannot find this program's file; files play without it");
            None
        }
    };
    let server = Server::start(settings, worker)?;
    // Before the banner: its readers may send signals.
    let (mut terminate, mut interrupt, mut quit, mut hang_up) = {
        let _runtime = server.background.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::quit())?,
            signal(SignalKind::hangup())?,
        )
    };
    server.print_banner();
    let mut reload = Reload::new(Arc::new(read_settings));
    let gracefully = server.background.block_on(async {
        loop {
            tokio::select! {
                _ = terminate.recv() => return true,
                _ = interrupt.recv() => return false,
                _ = quit.recv() => return false,
                _ = hang_up.recv() => reload.begin(),
                fresh = reload.finished() => server.apply(fresh),
            }
        }
    });
    if gracefully {
        let open = server.site.metrics.open_connections();
        info!(connections = open, "draining; a second signal stops at once");
        server.background.spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            telemetry::log::finish();
            std::process::exit(1);
        });
    }
    server.stop(gracefully);
    info!("stopped");
    Ok(())
}

/// Opens the listening socket.
fn listen(settings: &Settings, listening: &ListenerSettings) -> Result<TcpListener, StartError> {
    let address = *settings.listen;
    let bound = listener::bind(address, listening).or_else(|error| {
        let has_no_v6 = error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error());
        match address.ip() == Ipv6Addr::UNSPECIFIED && has_no_v6 {
            true => listener::bind((Ipv4Addr::UNSPECIFIED, address.port()).into(), listening),
            false => Err(error),
        }
    });
    bound.map_err(|error| StartError::Listen { address, error })
}

fn listener_settings(settings: &Settings) -> ListenerSettings {
    let kib = |kib: u64| (kib > 0).then_some(kib << 10);
    ListenerSettings {
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
        http2_streams_max: u32::try_from(settings.http2_streams.get()).unwrap_or(u32::MAX),
    }
}

/// Starts the I/O threads.
fn start_io_threads(
    socket: &TcpListener,
    listening: ListenerSettings,
    pipeline: Pipeline,
    connections_max: usize,
    drain: &Drain,
) -> Result<IoThreads, StartError> {
    let settings = pipeline.site.settings.load_full();
    let threads = match settings.io_threads.count() {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let per_address = settings.connections_per_address.count();
    let metrics = pipeline.site.metrics.clone();
    let admission = Admission::new(connections_max, per_address, metrics);
    let drain = drain.clone();
    let serve = move || {
        let (pipeline, listening) = (pipeline.clone(), listening.clone());
        let drain = drain.clone();
        async move {
            let (site, memory) =
                (Arc::clone(&pipeline.site), pipeline.site.response_memory.clone());
            let app = App::new().configure(move |config| app::configure(config, &site));
            let factory = map_config(app.into_factory(), |()| AppConfig::default());
            let service = pipeline
                .clone()
                .wrap(factory)
                .new_service(())
                .await
                .map_err(|()| io::Error::other("could not build the HTTP service"))?;
            Ok(listener::create_handler(&listening, drain, memory, pipeline, service))
        }
    };
    Ok(IoThreads::start(socket, threads, admission, serve)?)
}
