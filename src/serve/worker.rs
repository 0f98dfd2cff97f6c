//! Assembles a worker, and shuts it down.

use std::{
    io::{self, Read as _, Write as _},
    num::NonZeroU64,
    path::Path,
    process,
    sync::Arc,
    thread,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::{Notify, watch},
    time::{interval, sleep},
};
use tracing::{debug, info, warn};

use crate::{
    config::{LogFormat, Settings},
    extent::Place,
    jobs::{supervisor::KEEPALIVE_INTERVAL, worker::Worker, workspaces},
    queue::Queue,
    serve::{
        artifact_storage,
        buckets::CacheOf,
        start::{self, StartError},
    },
    store::{
        Database, DatabaseError, DatabaseLocation,
        artifacts::ArtifactStore,
        identity::{self, IdentityError},
    },
    sys::sched::{self, Policy},
    telemetry,
    transcode::{
        JobRunner, LocalCopies,
        ffmpeg::{Ffmpeg, NotInstalled},
        sandbox::Policy as SandboxPolicy,
    },
};

/// Time slice of a worker and its encoders on an otherwise idle processor: the longest that the kernel
/// allows.
const TIME_SLICE: Duration = Duration::from_millis(100);

/// Delay before an unavailable database is opened again.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Time for a worker to release its jobs when it stops. A disk or a database that hangs must not block
/// it: its leases expire.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Interval of closing artifacts that were removed.
const CLOSE_INTERVAL: Duration = Duration::from_secs(10);

/// Interval of dropping local copies that are not used any more.
const COPIES_INTERVAL: Duration = Duration::from_secs(60);

/// Memory limit of the worker process itself, in bytes: indices, connections and the stacks of its
/// threads take a fifth of that.
const MEMORY_MAX_BYTES: u64 = 2 << 30;

/// Runs a worker until a signal, or, if supervised, until its server ends.
pub fn run(settings: Settings, is_supervised: bool) -> Result<(), StartError> {
    telemetry::log::start(&settings.log, settings.log_format == LogFormat::Json)?;
    telemetry::panics::count();
    limit_memory();
    lower_priority(&settings);
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("worker")
        .enable_all()
        .build()?;
    let (wake, stop) = (Arc::new(Notify::new()), watch::Sender::new(false));
    if is_supervised {
        listen_to_server(Arc::clone(&wake), stop.clone())?;
    }
    let result = runtime.block_on(async {
        tokio::spawn(stop_by_signal(stop.clone()));
        tokio::spawn(exit_after_timeout(stop.subscribe()));
        if is_supervised {
            tokio::spawn(send_keepalives());
        }
        let mut stopping = stop.subscribe();
        let worker = tokio::select! {
            worker = assemble(&settings) => Some(worker?),
            _ = stopping.wait_for(|stop| *stop) => None,
        };
        if let Some(worker) = worker {
            info!(owner = worker.owner, encode_slots = worker.encode_slots, "worker ready");
            worker.run(wake, stop.subscribe()).await;
        }
        info!("stopped");
        Ok(())
    });
    // A disk call that hangs must not block the exit.
    runtime.shutdown_background();
    result
}

/// Exits the process if it does not stop in time.
async fn exit_after_timeout(mut stop: watch::Receiver<bool>) {
    // A dropped sender means that the worker has ended.
    if stop.wait_for(|stop| *stop).await.is_ok() {
        sleep(STOP_TIMEOUT).await;
        warn!("jobs did not stop in time, exiting");
        telemetry::log::finish();
        process::exit(1);
    }
}

async fn assemble(settings: &Settings) -> Result<Worker, StartError> {
    let data = start::open_data(settings)?;
    DatabaseLocation::parse(settings.database.as_deref(), &data)?;
    // Without ffmpeg, a worker would only fail jobs that others can run.
    let ffmpeg = find_ffmpeg(settings.sandbox).await?;
    let library = start::open_library(settings, CacheOf::Worker).await?;
    for (number, named) in library.roots().iter().enumerate() {
        if !named.root.is_open() {
            tokio::spawn(Arc::clone(&library).open_when_available(number));
        }
    }
    let database = open_database(settings, &data).await?;
    let artifacts = artifact_storage::open(settings, &data)?;
    check_identity(&database, &artifacts).await?;
    let queue = Queue::new(database);
    let artifact_root =
        artifact_storage::open_for_reading(&artifacts, settings, &library, CacheOf::Worker).await?;
    tokio::spawn(close_removed(artifact_root.clone()));
    tokio::spawn(workspaces::keep_sweeping(queue.clone(), artifacts.clone()));
    let chunk_ms = NonZeroU64::new(settings.chunk_s.get() * 1000).expect("a second at least");
    let runner = JobRunner {
        library,
        queue: queue.clone(),
        artifacts: artifacts.clone(),
        artifact_root,
        artifacts_max_bytes: settings.artifacts_max_mib.get() << 20,
        ffmpeg,
        memory_bytes: settings.job_memory_mib.get() << 20,
        stall: Duration::from_secs(settings.job_stall_s.get()),
        deadline: Duration::from_secs(settings.job_deadline_s.get()),
        chunk_ms,
        idle_scheduling: settings.worker_idle,
        local_copies: LocalCopies::default(),
    };
    let runner = Arc::new(runner);
    tokio::spawn(drop_unused_copies(Arc::clone(&runner)));
    let encode_slots = match settings.encode_slots.count() {
        0 => thread::available_parallelism().map_or(1, usize::from),
        slots => slots,
    };
    Ok(Worker {
        queue,
        runner,
        artifacts,
        owner: format!("{}:{}", host_name(), process::id()),
        lease: Duration::from_secs(settings.job_lease_s.get()),
        encode_slots,
        image_slots: settings.image_slots.count(),
    })
}

/// Closes artifacts that a server has evicted, so that their disk space is free.
async fn close_removed(artifacts: Place) {
    let mut ticks = interval(CLOSE_INTERVAL);
    loop {
        ticks.tick().await;
        artifacts.forget_removed();
    }
}

/// Drops local copies that no job has used lately.
async fn drop_unused_copies(runner: Arc<JobRunner>) {
    let mut ticks = interval(COPIES_INTERVAL);
    loop {
        ticks.tick().await;
        runner.local_copies.drop_unused();
    }
}

/// Opens the database, and waits for one that is busy or starts later than the worker.
async fn open_database(settings: &Settings, data: &Path) -> Result<Database, DatabaseError> {
    loop {
        match Database::open(settings.database.as_deref(), data).await {
            Err(error) if error.is_transient() => {
                warn!(%error, "waiting for the database");
                sleep(RETRY_INTERVAL).await;
            }
            opened => return opened,
        }
    }
}

/// Checks that database and artifacts belong together, and waits for artifacts that do not respond.
async fn check_identity(
    database: &Database,
    artifacts: &ArtifactStore,
) -> Result<(), IdentityError> {
    loop {
        match identity::check(database, artifacts).await {
            Err(error @ IdentityError::Storage { .. }) if artifacts.bucket().is_some() => {
                warn!(%error, "waiting for the bucket of artifacts");
                sleep(RETRY_INTERVAL).await;
            }
            checked => return checked,
        }
    }
}

/// Finds ffmpeg, and logs its version and sandbox.
async fn find_ffmpeg(policy: SandboxPolicy) -> Result<Ffmpeg, NotInstalled> {
    let ffmpeg = Ffmpeg::find(policy)?;
    match ffmpeg.capabilities().await {
        Ok(probed) => info!(version = probed.version, sandbox = probed.enforced, "ffmpeg found"),
        Err(error) => warn!(%error, "ffmpeg does not work: images and renditions unavailable"),
    }
    Ok(ffmpeg)
}

/// Limits the memory of this process, so that a worker that leaks ends, and is restarted, before it takes
/// the memory of the server. Its child processes have their own limits.
fn limit_memory() {
    let limit = Rlimit { current: Some(MEMORY_MAX_BYTES), ..getrlimit(Resource::Data) };
    if let Err(error) = setrlimit(Resource::Data, limit) {
        warn!(%error, "could not limit the memory of this worker");
    }
}

/// Lowers the priority of this process and its children below everything else on the machine. Chunks
/// yield even more, see `worker_idle`.
fn lower_priority(settings: &Settings) {
    let more = i32::try_from(settings.worker_niceness.get()).unwrap_or(19);
    let nice = match rustix::process::nice(more) {
        Ok(nice) => nice,
        Err(error) => {
            warn!(%error, niceness = more, "could not lower the priority of this worker");
            return;
        }
    };
    if more > 0
        && let Err(error) = sched::set_policy(Policy::Batch { slice: TIME_SLICE, nice })
    {
        debug!(%error, "no batch scheduling: other processes wait for the time slice of this worker");
    }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Reads standard input: the server writes to wake the worker, and the end of the pipe means that the
/// server has ended.
fn listen_to_server(wake: Arc<Notify>, stop: watch::Sender<bool>) -> io::Result<()> {
    let listen = move || {
        let mut buffer = [0; 64];
        while matches!(io::stdin().read(&mut buffer), Ok(1..)) {
            wake.notify_one();
        }
        stop.send_replace(true);
    };
    thread::Builder::new().name("server".into()).spawn(listen).map(drop)
}

/// Sends keepalives to the server.
async fn send_keepalives() {
    let mut ticks = interval(KEEPALIVE_INTERVAL);
    loop {
        ticks.tick().await;
        let mut server = io::stdout();
        if server.write_all(b"\n").and_then(|()| server.flush()).is_err() {
            return;
        }
    }
}

async fn stop_by_signal(stop: watch::Sender<bool>) {
    let signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit()];
    let [Ok(mut terminate), Ok(mut interrupt), Ok(mut quit)] = signals.map(signal) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = quit.recv() => {}
    }
    stop.send_replace(true);
}
