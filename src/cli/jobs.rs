//! `headwater jobs`: lists jobs, cancels and retries them.
//!
//! The command reads the database, so that it works whether or not a server or a worker runs.

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use clap::Subcommand;
use tokio::{runtime, time::timeout};

use super::{
    ConfigArgs, jobs_text,
    print::{print, print_error},
};
use crate::{
    config::ConfigError,
    queue::{Class, Filter, Job, JobId, Queue, QueueError},
    store::{Database, DatabaseError, DatabaseLocation},
};

/// Maximum number of listed jobs, newest first.
const JOBS_MAX: u32 = 50;

/// Number of the newest jobs that the end of an identifier can select.
const SELECTABLE_MAX: u32 = 1000;

/// Minimum length of the end of an identifier, in characters.
const SUFFIX_MIN: usize = 4;

/// Interval of redraws without changes: the terminal may have another size.
const REDRAW_INTERVAL: Duration = Duration::from_secs(5);

/// Rows and columns of a terminal that does not report its size.
const DEFAULT_SIZE: (u16, u16) = (24, 80);

#[derive(clap::Args, Clone, Debug)]
#[command(mut_args(ConfigArgs::only_data))]
pub(super) struct JobsArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// The server's configuration.
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the list once. On a terminal, the default is to update it until all jobs have ended.
    #[arg(long)]
    once: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Cancel a job.
    Cancel(JobArgs),
    /// Retry a failed or cancelled job.
    Retry(JobArgs),
}

#[derive(clap::Args, Clone, Debug)]
struct JobArgs {
    /// Identifier of the job, or the end of it.
    #[arg(value_name = "ID")]
    id: String,
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{0} does not exist; use the --data, --database or --config of the server")]
    NoDatabase(String),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("no job {0}")]
    Unknown(String),
    #[error("several identifiers end with {0}; use a longer end")]
    Ambiguous(String),
    #[error("{0}")]
    Ended(&'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs the command.
pub(super) fn run(args: &JobsArgs) -> ExitCode {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Failure::from).and_then(|runtime| {
        runtime.block_on(async {
            let queue = open(&args.config).await?;
            match &args.action {
                None => list(&queue, args.once).await,
                Some(Action::Cancel(job)) => cancel(&queue, &job.id).await,
                Some(Action::Retry(job)) => retry(&queue, &job.id).await,
            }
        })
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The list on a terminal has lost it.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            print_error(error);
            ExitCode::FAILURE
        }
    }
}

async fn open(config: &ConfigArgs) -> Result<Queue, Failure> {
    let settings = config.settings(&[])?;
    let (url, data) = (settings.database.as_deref(), settings.data_folder()?);
    // Only a server creates a database.
    if let DatabaseLocation::File(file) = DatabaseLocation::parse(url, &data)?
        && !file.is_file()
    {
        return Err(Failure::NoDatabase(file.display().to_string()));
    }
    Ok(Queue::new(Database::open(url, &data).await?))
}

/// Prints the list; on a terminal, updates it until all jobs have ended.
async fn list(queue: &Queue, once: bool) -> Result<(), Failure> {
    let mut out = io::stdout();
    let not_class = Some(Class::Webhook);
    let filter = Filter { not_class, only_parents: true, ..Filter::default() };
    if !out.is_terminal() || once {
        let jobs = queue.jobs(&filter, JOBS_MAX, None).await?;
        if jobs.is_empty() {
            // Not on standard output, where programs expect a job in each line.
            print_error("no jobs");
        }
        return Ok(print(&jobs_text::plain(&jobs))?);
    }
    let mut drawn = 0;
    loop {
        let changed = queue.last_change().await?;
        let jobs = queue.jobs(&filter, JOBS_MAX, None).await?;
        let (rows, columns) = terminal_size();
        let lines = jobs_text::lines(&jobs, usize::from(columns));
        // One line is for the cursor.
        let shown = &lines[..lines.len().min(usize::from(rows).saturating_sub(1))];
        out.write_all(jobs_text::frame(shown, drawn).as_bytes())?;
        out.flush()?;
        drawn = shown.len();
        if jobs.iter().all(|job| job.state.is_end()) {
            return Ok(());
        }
        let _ = timeout(REDRAW_INTERVAL, queue.wait_for_change(changed)).await;
    }
}

fn terminal_size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row, size.ws_col),
        _ => DEFAULT_SIZE,
    }
}

async fn cancel(queue: &Queue, id: &str) -> Result<(), Failure> {
    let known = find(queue, id).await?;
    let job = queue.cancel(known).await?.ok_or_else(|| Failure::Unknown(id.into()))?;
    match job.cancel_requested && !job.state.is_end() {
        true => print_state(&job, "is being cancelled"),
        false => print_state(&job, &format!("is {}", job.state)),
    }
}

async fn retry(queue: &Queue, id: &str) -> Result<(), Failure> {
    let known = find(queue, id).await?;
    let job = queue.retry(known).await?.ok_or_else(|| Failure::Unknown(id.into()))?;
    if job.state.is_end() {
        return Err(Failure::Ended("the job is done, or another job has replaced it"));
    }
    print_state(&job, &format!("is {}", job.state))
}

fn print_state(job: &Job, what: &str) -> Result<(), Failure> {
    Ok(print(&format!("{} {what}\n", jobs_text::short_id(job)))?)
}

/// Finds a job by its identifier or the end of it: identifiers of nearby times begin alike.
async fn find(queue: &Queue, id: &str) -> Result<JobId, Failure> {
    if let Ok(id) = id.parse() {
        return Ok(id);
    }
    let unknown = || Failure::Unknown(id.into());
    if id.len() < SUFFIX_MIN {
        return Err(unknown());
    }
    let jobs = queue.jobs(&Filter::default(), SELECTABLE_MAX, None).await?;
    let mut found = jobs.iter().map(|job| job.id).filter(|job| job.to_string().ends_with(id));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(Failure::Ambiguous(id.into())),
        (None, _) => Err(unknown()),
    }
}
