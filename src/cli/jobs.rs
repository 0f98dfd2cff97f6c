//! `headwater jobs`: what is being made, what is to be, and what has become of it.
//!
//! Asked of the database, so that it works whichever server or worker is running, and if none is.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Subcommand;
use tokio::{runtime, time::timeout};

use super::jobs_text;
use crate::{
    config::{ConfigError, Layer, Settings},
    queue::{Class, Filter, Job, JobId, Queue, QueueError},
    store::{Database, DatabaseError},
};

/// Jobs that are listed, the newest.
const JOBS_MAX: u32 = 50;

/// Jobs among which one is looked for by the end of its name.
const NAMES_MAX: u32 = 1000;

/// The fewest characters of a name's end.
const NAME_MIN: usize = 4;

/// How often what is shown is drawn again, if nothing changes.
const REDRAW: Duration = Duration::from_secs(5);

/// Lines of a terminal, and characters of each, that says nothing of its size.
const SIZE: (u16, u16) = (24, 80);

#[derive(clap::Args, Clone, Debug)]
pub(super) struct Asked {
    #[command(subcommand)]
    action: Option<Action>,
    /// Folder of the server's data.
    #[arg(long, env = "HEADWATER_DATA", value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    /// The server's database, if it is not in that folder: sqlite:PATH or postgres://…
    #[arg(
        long,
        env = "HEADWATER_DATABASE",
        value_name = "URL",
        global = true,
        hide_env_values = true
    )]
    database: Option<String>,
    /// Print the list once, also on a terminal, where it is drawn anew until all jobs have ended.
    #[arg(long)]
    once: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// End a job, as soon as it can.
    Cancel(Named),
    /// Begin a job again that has failed or was cancelled.
    Retry(Named),
}

#[derive(clap::Args, Clone, Debug)]
struct Named {
    /// Its name, or the end of it.
    #[arg(value_name = "ID")]
    id: String,
}

/// Why there is nothing to be told.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{0} is not there; say --data DIR or --database URL as to the server")]
    NoDatabase(String),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("there is no job {0}")]
    Unknown(String),
    #[error("there is more than one job whose name ends with {0}")]
    Ambiguous(String),
    #[error("{0}")]
    Ended(&'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Does what was asked.
pub(super) fn run(asked: &Asked) -> ExitCode {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Failure::from).and_then(|runtime| {
        runtime.block_on(async {
            let queue = open(asked).await?;
            match &asked.action {
                None => list(&queue, asked.once).await,
                Some(Action::Cancel(named)) => cancel(&queue, &named.id).await,
                Some(Action::Retry(named)) => retry(&queue, &named.id).await,
            }
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough, as `head` has.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("headwater: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn open(asked: &Asked) -> Result<Queue, Failure> {
    let typed = Layer { data: asked.data.clone(), ..Layer::default() };
    let data = Settings::from_layers(&[typed]).data_folder()?;
    // Only a server makes one.
    let file = match asked.database.as_deref().map(|url| url.strip_prefix("sqlite:")) {
        None => Some(Database::file(&data)),
        Some(path) => path.map(PathBuf::from),
    };
    if let Some(file) = file.filter(|file| !file.is_file()) {
        return Err(Failure::NoDatabase(file.display().to_string()));
    }
    Ok(Queue::new(Database::open(asked.database.as_deref(), &data).await?))
}

/// Prints the list, on a terminal again and again while there is something to come.
async fn list(queue: &Queue, once: bool) -> Result<(), Failure> {
    let mut out = io::stdout();
    let not_class = Some(Class::Webhook);
    let filter = Filter { not_class, only_parents: true, ..Filter::default() };
    if !out.is_terminal() || once {
        let jobs = queue.jobs(&filter, JOBS_MAX, None).await?;
        return Ok(out.write_all(jobs_text::plain(&jobs).as_bytes())?);
    }
    let mut drawn = 0;
    loop {
        let changed = queue.last_change().await?;
        let jobs = queue.jobs(&filter, JOBS_MAX, None).await?;
        let (rows, columns) = terminal_size();
        let lines = jobs_text::lines(&jobs, usize::from(columns));
        // One line is the cursor's.
        let shown = &lines[..lines.len().min(usize::from(rows).saturating_sub(1))];
        out.write_all(jobs_text::frame(shown, drawn).as_bytes())?;
        out.flush()?;
        drawn = shown.len();
        if jobs.iter().all(|job| job.state.is_end()) {
            return Ok(());
        }
        // Late or not, it is looked again: the terminal may have another size.
        let _ = timeout(REDRAW, queue.wait_for_change(changed)).await;
    }
}

fn terminal_size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row, size.ws_col),
        _ => SIZE,
    }
}

async fn cancel(queue: &Queue, name: &str) -> Result<(), Failure> {
    let job = queue.cancel(find(queue, name).await?).await?;
    let job = job.ok_or_else(|| Failure::Unknown(name.into()))?;
    match job.cancel_requested && !job.state.is_end() {
        true => say(&job, "is being cancelled"),
        false => say(&job, &format!("is {}", job.state)),
    }
}

async fn retry(queue: &Queue, name: &str) -> Result<(), Failure> {
    let job = queue.retry(find(queue, name).await?).await?;
    let job = job.ok_or_else(|| Failure::Unknown(name.into()))?;
    if job.state.is_end() {
        return Err(Failure::Ended("it is done, or another job does the same by now"));
    }
    say(&job, &format!("is {}", job.state))
}

fn say(job: &Job, what: &str) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "{} {what}", jobs_text::name(job))?)
}

/// The job of this name, or the only one whose name ends like this: the beginnings are times, and
/// much the same.
async fn find(queue: &Queue, name: &str) -> Result<JobId, Failure> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let unknown = || Failure::Unknown(name.into());
    if name.len() < NAME_MIN {
        return Err(unknown());
    }
    let jobs = queue.jobs(&Filter::default(), NAMES_MAX, None).await?;
    let mut found = jobs.iter().map(|job| job.id).filter(|id| id.to_string().ends_with(name));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(Failure::Ambiguous(name.into())),
        (None, _) => Err(unknown()),
    }
}
