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

/// The titles of a library. Each is long enough for several chunks.
pub const TITLES: [&str; 2] = ["one.mp4", "two.mp4"];

/// The settings of every program of a deployment: short leases, and short chunks.
const SETTINGS: [(&str, &str); 5] = [
    ("HEADWATER_JOB_LEASE_S", "2"),
    ("HEADWATER_CHUNK_S", "2"),
    ("HEADWATER_ENCODE_SLOTS", "2"),
    ("HEADWATER_IMAGE_WAIT_S", "0"),
    ("HEADWATER_MIN_FREE_DISK_MIB", "0"),
];

/// A deployment.
pub struct Deployment {
    /// Holds `library/` and `data/`.
    pub folder: Folder,
    database: Option<String>,
    /// A connection of the test to the same database.
    pub queue: Queue,
    ends: Arc<Mutex<Ends>>,
    runtime: Runtime,
}

/// The jobs that have ended, in the state first seen, and violations.
#[derive(Default)]
struct Ends {
    first: HashMap<JobId, Job>,
    wrong: Vec<String>,
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let jobs = self.ask(self.queue.changed_since(0, u32::MAX)).unwrap_or_default();
            let unfinished = jobs.iter().filter(|job| job.state != State::Done);
            eprintln!("{:#?}\n{}", unfinished.collect::<Vec<_>>(), self.logged());
        }
        // So that no connection outlives its runtime.
        let _open = self.runtime.enter();
    }
}

impl Deployment {
    /// Two titles, on this PostgreSQL, or else on SQLite.
    pub fn new(database: Option<String>) -> Self {
        let folder = Folder::new();
        fs::create_dir(folder.path("library")).expect("a folder");
        for (name, rate) in TITLES.into_iter().zip(["25", "30000/1001"]) {
            let path = folder.path("library").join(name);
            let video = format!("testsrc2=size=640x360:rate={rate}:duration=12");
            let output = ffmpeg::run(
                &[
                    &["-f", "lavfi", "-i", &video, "-c:v", "libx264", "-preset", "ultrafast"][..],
                    &["-pix_fmt", "yuv420p", "-g", "24", "-y", path.to_str().expect("text")],
                ]
                .concat(),
            );
            output.expect("a movie");
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
        runtime.spawn(watch_ends(queue.clone(), Arc::clone(&ends)));
        Self { folder, database, queue, ends, runtime }
    }

    /// From now on programs reach the database at this URL; the test itself, at its own.
    pub fn reach_database_at(&mut self, url: &str) {
        self.database = Some(url.to_owned());
    }

    /// The arguments of every program.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![self.folder.path("library").display().to_string()];
        arguments.push(format!("--data={}", self.data().display()));
        arguments.extend(self.database.iter().map(|url| format!("--database={url}")));
        arguments
    }

    /// Starts a server, with more arguments.
    pub fn serve(&self, more: &[&str]) -> Program {
        self.serve_in(more, &[])
    }

    /// Starts a server, with more arguments and environment variables.
    pub fn serve_in(&self, more: &[&str], environment: &[(&str, &str)]) -> Program {
        let mut arguments = self.arguments();
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        Program::serve(&arguments, &[&SETTINGS, environment].concat())
    }

    /// Starts a worker that is a child of the test and of no server.
    pub fn worker(&self) -> Worker {
        let log = self.folder.path("worker.log");
        let log = fs::File::options().create(true).append(true).open(log).expect("a log");
        let (mut command, home) = command(&["worker"]);
        command.args(self.arguments()).envs(SETTINGS).stderr(log).stdout(Stdio::null());
        Worker::new(command.spawn().expect("the program runs"), home)
    }

    /// The log of the separate workers.
    pub fn logged(&self) -> String {
        fs::read_to_string(self.folder.path("worker.log")).unwrap_or_default()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path("data")
    }

    /// Runs a query of the queue.
    pub fn ask<T>(&self, query: impl Future<Output = T>) -> T {
        self.runtime.block_on(query)
    }

    /// All jobs, children too.
    pub fn jobs(&self) -> Vec<Job> {
        self.ask(self.queue.changed_since(0, u32::MAX)).expect("a database")
    }

    /// The number of jobs that have not ended.
    pub fn live(&self) -> usize {
        self.jobs().iter().filter(|job| !job.state.is_end()).count()
    }

    /// Whether the worker with this process id has a job.
    pub fn is_at_work(&self, worker: i32) -> bool {
        let end = format!(":{worker}");
        let jobs = self.jobs();
        jobs.iter().filter_map(|job| job.lease_owner.as_deref()).any(|owner| owner.ends_with(&end))
    }

    /// Waits until all jobs have ended, for as long as there is progress.
    pub fn wait_for_the_end(&self) {
        loop {
            let seen = self.ask(self.queue.last_change()).unwrap_or_default();
            if self.live() == 0 {
                return;
            }
            until_slowly("a job makes progress", || {
                self.ask(self.queue.last_change()).unwrap_or(seen) != seen
            });
        }
    }

    /// All artifacts.
    pub fn artifacts(&self) -> Vec<Artifact> {
        self.ask(self.queue.artifacts_with_prefix("")).expect("a database")
    }

    /// The processes of this deployment, except for the tests.
    pub fn processes(&self) -> Vec<Process> {
        Process::all().into_iter().filter(|process| process.is_about(&self.data())).collect()
    }

    /// Those of them that are ffmpeg.
    pub fn ffmpegs(&self) -> Vec<Process> {
        self.processes().into_iter().filter(|process| process.name == "ffmpeg").collect()
    }

    /// Checks that each job has ended, and only once; each artifact is complete and has its row;
    /// nothing else is left over. Only a server that sweeps may run.
    pub fn assert_consistent(&self) {
        let jobs = self.jobs();
        for job in &jobs {
            let is_child = job.parent.is_some();
            let allowed = match job.state {
                State::Done | State::Failed => true,
                // Its sibling failed.
                State::Cancelled => is_child,
                _ => false,
            };
            assert!(allowed, "{job:?}");
        }
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(ends.wrong.is_empty(), "{:#?}", ends.wrong);
        drop(ends);
        let published = self.data().join("artifacts");
        let rows = self.artifacts();
        let mut named: Vec<_> =
            rows.iter().map(|row| published.join(&row.key).join(row.token.to_string())).collect();
        named.sort();
        until_slowly("leftovers are deleted", || {
            names(&self.data().join("artifacts/in-progress")).is_empty()
                && folders(&published) == named
        });
        for row in &rows {
            let files = names(&published.join(&row.key).join(row.token.to_string()));
            let bytes: u64 =
                files.iter().map(|file| fs::metadata(file).expect("a file").len()).sum();
            assert_eq!((bytes, files.is_empty()), (row.bytes, false), "{row:?}");
            files.iter().for_each(|file| assert_whole(file));
        }
    }
}

/// Records the end of each job. A job that has ended must not change.
async fn watch_ends(queue: Queue, ends: Arc<Mutex<Ends>>) {
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

/// Checks that a file can be read to its end.
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
        _ => panic!("{name} is no artifact"),
    }
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn folders(published: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<_> = names(published).iter().flat_map(|key| names(key)).collect();
    folders.sort();
    folders
}

/// Posts a job request, and returns the response.
pub fn post_job(program: &Program, job_request: &str) -> Response {
    let mut client = program.connect();
    client.send(post("/api/jobs", job_request));
    read(&mut client)
}

/// Requests a rendition, and returns the job.
pub fn request_rendition(program: &Program, title: &str, height: usize) -> Value {
    let job_request =
        format!(r#"{{"kind":"rendition","title":"{title}","height":{height},"codec":"h264"}}"#);
    let response = post_job(program, &job_request);
    let status = response.status;
    json(&response, if status == 200 { 200 } else { 202 })
}

/// The process id of a server's local worker, if it runs.
pub fn local_worker(program: &Program) -> Option<i32> {
    let ready = String::from_utf8(program.get("/readyz", &[]).body).expect("text");
    ready.split_once("running as process ")?.1.split_whitespace().next()?.parse().ok()
}

/// The URL of a new database on PostgreSQL.
pub fn postgres() -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(crate::support::postgres::database())
}

/// Tests that must hold with either database.
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
