//! A library, a data folder and a database, and the programs that work on them.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use headwater::{
    queue::{Artifact, Job, JobId, Queue, State},
    store::Database,
};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::support::{
    client::Response,
    ffmpeg,
    folder::Folder,
    json::{json, post, read},
    processes::{Process, Worker},
    program::{Program, command},
    wait::{SLOW_POLL_INTERVAL, until_slowly},
};

/// The titles of a library. They are long enough to be several pieces.
pub const FILMS: [&str; 2] = ["one.mp4", "two.mp4"];

/// What every program of a deployment is told: leases that run out soon, and short pieces.
const SETTINGS: [(&str, &str); 5] = [
    ("HEADWATER_JOB_LEASE_S", "2"),
    ("HEADWATER_CHUNK_S", "2"),
    ("HEADWATER_ENCODE_SLOTS", "2"),
    ("HEADWATER_IMAGE_WAIT_S", "0"),
    ("HEADWATER_MIN_FREE_DISK_MIB", "0"),
];

/// All of it.
pub struct Deployment {
    /// `library/` and `data/`.
    pub folder: Folder,
    database: Option<String>,
    /// The same database, seen from here.
    pub queue: Queue,
    ends: Arc<Mutex<Ends>>,
    runtime: Runtime,
}

/// The jobs that have ended, as they were when that was first seen, and what must not have happened.
#[derive(Default)]
struct Ends {
    first: HashMap<JobId, Job>,
    wrong: Vec<String>,
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let jobs = self.ask(self.queue.changed_since(0, u32::MAX)).unwrap_or_default();
            let told = jobs.iter().filter(|job| job.state != State::Done);
            eprintln!("{:#?}\n{}", told.collect::<Vec<_>>(), self.logged());
        }
        // So that no connection is left without its runtime.
        let _open = self.runtime.enter();
    }
}

impl Deployment {
    /// One with two films, on this PostgreSQL, or else on SQLite.
    pub fn new(database: Option<String>) -> Self {
        let folder = Folder::new();
        fs::create_dir(folder.path("library")).expect("a folder");
        for (name, rate) in FILMS.into_iter().zip(["25", "30000/1001"]) {
            let path = folder.path("library").join(name);
            let picture = format!("testsrc2=size=640x360:rate={rate}:duration=12");
            let made = ffmpeg::run(
                &[
                    &["-f", "lavfi", "-i", &picture, "-c:v", "libx264", "-preset", "ultrafast"][..],
                    &["-pix_fmt", "yuv420p", "-g", "24", "-y", path.to_str().expect("text")],
                ]
                .concat(),
            );
            made.expect("a film");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let data = folder.path("data");
        let open = Database::open(database.as_deref(), &data);
        let queue = Queue::new(runtime.block_on(open).expect("a database"));
        let ends = Arc::<Mutex<Ends>>::default();
        runtime.spawn(keep_watching(queue.clone(), Arc::clone(&ends)));
        Self { folder, database, queue, ends, runtime }
    }

    /// What every program of it is called with.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![self.folder.path("library").display().to_string()];
        arguments.push(format!("--data={}", self.data().display()));
        arguments.extend(self.database.iter().map(|url| format!("--database={url}")));
        arguments
    }

    /// A server, with more arguments.
    pub fn serve(&self, more: &[&str]) -> Program {
        let mut arguments = self.arguments();
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        Program::serve(&arguments, &SETTINGS)
    }

    /// A worker of its own, that is nobody's child but ours.
    pub fn worker(&self) -> Worker {
        let log = self.folder.path("worker.log");
        let log = fs::File::options().create(true).append(true).open(log).expect("a log");
        let (mut command, home) = command(&["worker"]);
        command.args(self.arguments()).envs(SETTINGS).stderr(log).stdout(Stdio::null());
        Worker::new(command.spawn().expect("the program runs"), home)
    }

    /// What the workers of their own have logged.
    pub fn logged(&self) -> String {
        fs::read_to_string(self.folder.path("worker.log")).unwrap_or_default()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path("data")
    }

    /// Asks the queue something.
    pub fn ask<T>(&self, asked: impl Future<Output = T>) -> T {
        self.runtime.block_on(asked)
    }

    /// All jobs, children too.
    pub fn jobs(&self) -> Vec<Job> {
        self.ask(self.queue.changed_since(0, u32::MAX)).expect("a database")
    }

    /// How many have not ended.
    pub fn live(&self) -> usize {
        self.jobs().iter().filter(|job| !job.state.is_end()).count()
    }

    /// Whether the worker of this number has a job.
    pub fn is_at_work(&self, worker: i32) -> bool {
        let end = format!(":{worker}");
        let jobs = self.jobs();
        jobs.iter().filter_map(|job| job.lease_owner.as_deref()).any(|owner| owner.ends_with(&end))
    }

    /// Waits until all jobs have ended, however long that takes, as long as something is done.
    pub fn wait_for_the_end(&self) {
        loop {
            let seen = self.ask(self.queue.last_change()).unwrap_or_default();
            if self.live() == 0 {
                return;
            }
            until_slowly("a job comes further", || {
                self.ask(self.queue.last_change()).unwrap_or(seen) != seen
            });
        }
    }

    /// All artifacts that there are.
    pub fn artifacts(&self) -> Vec<Artifact> {
        self.ask(self.queue.artifacts_with_prefix("")).expect("a database")
    }

    /// The processes that have anything to do with this deployment, but for this one.
    pub fn processes(&self) -> Vec<Process> {
        Process::all().into_iter().filter(|process| process.is_about(&self.data())).collect()
    }

    /// Those of them that are ffmpeg.
    pub fn ffmpegs(&self) -> Vec<Process> {
        self.processes().into_iter().filter(|process| process.name == "ffmpeg").collect()
    }

    /// Each job has ended, and only once; each artifact is whole and has its row; nothing else is left.
    /// Nothing runs but a server that sweeps.
    pub fn assert_in_order(&self) {
        let jobs = self.jobs();
        for job in &jobs {
            let is_child = job.parent.is_some();
            let allowed = match job.state {
                State::Done | State::Failed => true,
                // Its brother failed.
                State::Cancelled => is_child,
                _ => false,
            };
            assert!(allowed, "{job:?}");
        }
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(ends.wrong.is_empty(), "{:#?}", ends.wrong);
        drop(ends);
        let made = self.data().join("artifacts");
        let rows = self.artifacts();
        let mut named: Vec<_> =
            rows.iter().map(|row| made.join(&row.key).join(row.token.to_string())).collect();
        named.sort();
        until_slowly("what is left behind has been swept away", || {
            names(&self.data().join("in-progress")).is_empty() && folders(&made) == named
        });
        for row in &rows {
            let files = names(&made.join(&row.key).join(row.token.to_string()));
            let bytes: u64 =
                files.iter().map(|file| fs::metadata(file).expect("a file").len()).sum();
            assert_eq!((bytes, files.is_empty()), (row.bytes, false), "{row:?}");
            files.iter().for_each(|file| assert_whole(file));
        }
    }
}

/// Sees each job end. One that has ended does not change any more.
async fn keep_watching(queue: Queue, ends: Arc<Mutex<Ends>>) {
    let mut seen = 0;
    loop {
        for job in queue.changed_since(seen, 10_000).await.unwrap_or_default() {
            seen = seen.max(job.changed);
            let mut ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(first) = ends.first.get(&job.id).cloned() {
                ends.wrong.push(format!("{first:?} became {job:?}"));
            } else if job.state.is_end() {
                ends.first.insert(job.id, job);
            }
        }
        tokio::time::sleep(SLOW_POLL_INTERVAL).await;
    }
}

/// A file that can be read to its end.
fn assert_whole(file: &Path) {
    let bytes = fs::read(file).expect("a file");
    let name = file.display();
    match file.extension().and_then(OsStr::to_str) {
        Some("jpg") => {
            assert!(bytes.starts_with(b"\xff\xd8") && bytes.ends_with(b"\xff\xd9"), "{name}");
        }
        Some("webp") => {
            let says = bytes.get(4..8).map(|says| u32::from_le_bytes(says.try_into().unwrap()));
            assert_eq!(says.map(|says| says as usize + 8), Some(bytes.len()), "{name}");
        }
        Some("mp4") => {
            let decoded = ["-xerror", "-i", file.to_str().expect("text"), "-f", "null", "-"];
            ffmpeg::run(&decoded).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        _ => panic!("{name} is none of the files that are made"),
    }
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn folders(made: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> = names(made).iter().flat_map(|key| names(key)).collect();
    folders.sort();
    folders
}

/// Wishes for something, and returns the answer.
pub fn wish(program: &Program, wish: &str) -> Response {
    let mut client = program.connect();
    client.send(post("/api/jobs", wish));
    read(&mut client)
}

/// Wishes for a rendition, and returns the job.
pub fn wish_for_rendition(program: &Program, film: &str, lines: usize) -> Value {
    let asked =
        format!(r#"{{"kind":"rendition","title":"{film}","height":{lines},"codec":"h264"}}"#);
    let response = wish(program, &asked);
    let status = response.status;
    json(&response, if status == 200 { 200 } else { 202 })
}

/// The worker beside a server, if it runs: its number.
pub fn worker_beside(program: &Program) -> Option<i32> {
    let ready = String::from_utf8(program.get("/readyz", &[]).body).expect("text");
    ready.split_once("running as process ")?.1.split_whitespace().next()?.parse().ok()
}

/// The URL of a database of its own on PostgreSQL.
pub fn postgres() -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(crate::support::postgres::database())
}

/// Tests that are to hold with either database.
macro_rules! on_both {
    ($($name:ident $test:expr;)+) => {
        mod sqlite { $(#[test] fn $name() {
            use super::*;
            if crate::support::ffmpeg::is_installed() { ($test)(&Deployment::new(None)); }
        })+ }
        mod postgres { $(#[test] fn $name() {
            use super::*;
            if crate::support::ffmpeg::is_installed() {
                ($test)(&Deployment::new(Some(crate::support::deployment::postgres())));
            }
        })+ }
    };
}
pub(crate) use on_both;
