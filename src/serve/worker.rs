//! Puts a worker together and takes it down.

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
    config::Settings,
    jobs::{supervisor::ALIVE, worker::Worker},
    queue::Queue,
    serve::start::{self, StartError},
    store::{Database, DatabaseError, artifacts::ArtifactStore},
    sys::sched::{self, Policy},
    telemetry,
    transcode::{
        JobRunner,
        ffmpeg::{Ffmpeg, NotInstalled},
        sandbox::Policy as SandboxPolicy,
    },
};

/// How long a worker and its encoders would have the processor at a time if nobody else woke: as long
/// as the kernel allows.
const TURN: Duration = Duration::from_millis(100);

/// How long to wait before a database that does not answer is tried again.
const PAUSE: Duration = Duration::from_secs(2);

/// How long a worker that is to stop is given to let its jobs go. A disk or a database that hangs must
/// not keep it: its leases run out by themselves.
const LET_GO: Duration = Duration::from_secs(10);

/// What a worker itself may take of memory, in bytes: indices, connections and the stacks of its threads
/// are a fifth of that.
const MEMORY_BYTES: u64 = 2 << 30;

/// Works until a signal ends it, or, beside a server, until that is gone.
pub fn run(settings: Settings, is_supervised: bool) -> Result<(), StartError> {
    telemetry::start_log(&settings.log, settings.log_format);
    telemetry::count_panics();
    limit_memory();
    yield_to_others(&settings);
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("worker")
        .enable_all()
        .build()?;
    let (wake, stop) = (Arc::new(Notify::new()), watch::Sender::new(false));
    if is_supervised {
        listen_to_server(Arc::clone(&wake), stop.clone())?;
    }
    let worked = runtime.block_on(async {
        tokio::spawn(stop_by_signal(stop.clone()));
        tokio::spawn(end_in_time(stop.subscribe()));
        if is_supervised {
            tokio::spawn(say_alive());
        }
        let mut told = stop.subscribe();
        let worker = tokio::select! {
            worker = put_together(&settings) => Some(worker?),
            _ = told.wait_for(|stop| *stop) => None,
        };
        if let Some(worker) = worker {
            info!(owner = worker.owner, films = worker.encode_slots, "ready to work");
            worker.run(wake, stop.subscribe()).await;
        }
        info!("stopped");
        Ok(())
    });
    // A disk call that hangs must not hold the process up.
    runtime.shutdown_background();
    worked
}

/// Ends the process when it was told to stop and does not.
async fn end_in_time(mut stop: watch::Receiver<bool>) {
    // Who cannot tell any more has ended by itself.
    if stop.wait_for(|stop| *stop).await.is_ok() {
        sleep(LET_GO).await;
        warn!("what this worker does cannot be ended; it goes without");
        process::exit(1);
    }
}

async fn put_together(settings: &Settings) -> Result<Worker, StartError> {
    // Without it a worker would only fail jobs that others can do.
    let ffmpeg = find_ffmpeg(settings.sandbox).await?;
    let data = start::open_data(settings)?;
    let library = start::open_library(settings).await?;
    let queue = Queue::new(open_database(settings, &data).await?);
    let artifacts = ArtifactStore::open(&data, settings.min_free_disk_mib.get() << 20)
        .map_err(|error| StartError::Data { dir: data, error })?;
    let made = start::open_made(&artifacts, settings).await?;
    let chunk_ms = NonZeroU64::new(settings.chunk_s.get() * 1000).expect("a second at least");
    let runner = JobRunner {
        library,
        queue: queue.clone(),
        artifacts: artifacts.clone(),
        artifact_root: made,
        artifacts_max_bytes: settings.artifacts_max_mib.get() << 20,
        ffmpeg,
        memory_bytes: settings.job_memory_mib.get() << 20,
        stall: Duration::from_secs(settings.job_stall_s.get()),
        deadline: Duration::from_secs(settings.job_deadline_s.get()),
        chunk_ms,
        idle_scheduling: settings.worker_niceness.get() > 0,
    };
    let encode_slots = match settings.encode_slots.count() {
        0 => thread::available_parallelism().map_or(1, usize::from),
        slots => slots,
    };
    Ok(Worker {
        queue,
        runner: Arc::new(runner),
        artifacts,
        owner: format!("{}:{}", host_name(), process::id()),
        lease: Duration::from_secs(settings.job_lease_s.get()),
        encode_slots,
        image_slots: settings.image_slots.count(),
    })
}

/// Opens the database, as soon as it answers: it may be started later, or be busy.
async fn open_database(settings: &Settings, data: &Path) -> Result<Database, DatabaseError> {
    loop {
        match Database::open(settings.database.as_deref(), data).await {
            Err(error @ DatabaseError::Unavailable(_)) => {
                warn!(%error, "it is asked again and again");
                sleep(PAUSE).await;
            }
            opened => return opened,
        }
    }
}

/// Finds ffmpeg, and says what confines it here.
async fn find_ffmpeg(policy: SandboxPolicy) -> Result<Ffmpeg, NotInstalled> {
    let ffmpeg = Ffmpeg::find(policy)?;
    match ffmpeg.capabilities().await {
        Ok(probed) => info!(version = probed.version, confined_by = probed.enforced, "ffmpeg"),
        Err(error) => warn!(%error, "no picture and no rendition can be made"),
    }
    Ok(ffmpeg)
}

/// A worker that leaks ends, and is started again, before the machine has none left for those who play.
/// What it starts has limits of its own.
fn limit_memory() {
    let limit = Rlimit { current: Some(MEMORY_BYTES), ..getrlimit(Resource::Data) };
    if let Err(error) = setrlimit(Resource::Data, limit) {
        warn!(%error, "this worker's memory has no limit");
    }
}

/// Everything else on the machine comes first, and at once. What a worker starts inherits that; what it
/// encodes for nobody who waits yields even more.
fn yield_to_others(settings: &Settings) {
    let more = i32::try_from(settings.worker_niceness.get()).unwrap_or(19);
    let nice = match rustix::process::nice(more) {
        Ok(nice) => nice,
        Err(error) => {
            warn!(%error, more, "this worker does not yield to others");
            return;
        }
    };
    if more > 0
        && let Err(error) = sched::set_policy(Policy::Batch { slice: TURN, nice })
    {
        debug!(%error, "what wakes beside this worker waits for the end of its turn");
    }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The server writes when there is something to do. When its end of the pipe is closed, however that
/// came, it is gone.
fn listen_to_server(wake: Arc<Notify>, stop: watch::Sender<bool>) -> io::Result<()> {
    let listen = move || {
        let mut heard = [0; 64];
        while matches!(io::stdin().read(&mut heard), Ok(1..)) {
            wake.notify_one();
        }
        stop.send_replace(true);
    };
    thread::Builder::new().name("server".into()).spawn(listen).map(drop)
}

/// Tells the server again and again that this process does not hang.
async fn say_alive() {
    let mut beat = interval(ALIVE);
    loop {
        beat.tick().await;
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
