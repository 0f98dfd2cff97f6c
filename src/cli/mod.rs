//! What was typed.

mod inspect;
mod jobs;
mod jobs_text;
mod report_text;
mod sandbox;

use std::{
    ffi::OsString,
    io,
    path::PathBuf,
    process::ExitCode,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use clap::{Parser, Subcommand};

use crate::{
    config::{ConfigError, KEYS, Layer, NamedDir, RootConfig, Settings},
    jobs::supervisor::{Timeouts, WorkerCommand},
    serve::{self, worker},
    transcode::program::find_program,
    transcode::sandbox::Confinement,
};

/// A video streaming origin: point it at a folder, and every video in it streams.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve one folder or several.
    Serve(Asked),
    /// Make pictures and renditions for a server: beside the one that `serve` starts by itself, or on
    /// another machine that reaches the same database and data folder.
    Worker(WorkerAsked),
    /// Run a program that may read, write and use up only what is said.
    #[command(hide = true)]
    Sandbox(Confinement),
    /// Check the configuration and the folders, and say what would be served where.
    Check(Asked),
    /// Say what is in a video file, what is wrong with it, and which players play it.
    ///
    /// Needs no server and writes nothing. Ends with 0 if some player can play something of the file,
    /// with 1 if none can, and with 2 if the file cannot be read or the command is not understood.
    Inspect(inspect::Asked),
    /// List the jobs with how far they are, end one, or begin one again.
    Jobs(jobs::Asked),
}

#[derive(clap::Args, Clone, Debug)]
struct Asked {
    /// Folders with videos. One: its files are below /media/. Several: paths begin with each
    /// folder's name, which can be set as name=DIR.
    #[arg(value_name = "DIR")]
    roots: Vec<RootConfig>,
    /// Configuration file; config/headwater.toml documents every key.
    #[arg(long, env = "HEADWATER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    layer: Layer,
}

#[derive(clap::Args, Clone, Debug)]
struct WorkerAsked {
    #[command(flatten)]
    asked: Asked,
    /// Read standard input to be woken, and end with it.
    #[arg(long, hide = true)]
    supervised: bool,
}

/// The program.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(asked) => asked.settings().and_then(|settings| {
            let fresh = move || asked.settings().map_err(|error| error.to_string());
            let worker = worker_beside().map_err(|error| error.to_string())?;
            serve::run(settings, worker, fresh).map_err(|error| error.to_string())
        }),
        Command::Worker(WorkerAsked { asked, supervised }) => {
            let work = |settings| worker::run(settings, supervised);
            asked.settings().and_then(|settings| work(settings).map_err(|error| error.to_string()))
        }
        Command::Sandbox(confinement) => return sandbox::run(confinement),
        Command::Check(asked) => asked.settings().and_then(|settings| check(&settings)),
        Command::Inspect(asked) => return inspect::run(&asked),
        Command::Jobs(asked) => return jobs::run(&asked),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("headwater: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Asked {
    /// Flags and environment, then the file, then the defaults.
    fn settings(&self) -> Result<Settings, String> {
        let mut typed = self.layer.clone();
        typed.root.clone_from(&self.roots);
        let file = self.config.as_deref().map(Layer::read).transpose();
        let file = file.map_err(|error: ConfigError| error.to_string())?;
        for name in unknown_variables() {
            eprintln!("headwater: {name} is set in the environment, but there is no such key");
        }
        let settings = Settings::from_layers(&[typed, file.unwrap_or_default()]);
        if settings.roots.is_empty() {
            return Err("which folder? Say `headwater serve DIR`, for example \
                 `headwater serve ~/Videos`, or name folders in a configuration file"
                .into());
        }
        Ok(settings)
    }
}

/// How the worker beside a server is started: as the server itself was.
fn worker_beside() -> std::io::Result<WorkerCommand> {
    let typed = std::env::args_os().skip(2);
    let arguments = ["worker", "--supervised"].map(OsString::from);
    let arguments = arguments.into_iter().chain(typed).collect();
    let program = std::env::current_exe()?;
    Ok(WorkerCommand { program, arguments, patience: Timeouts::default() })
}

/// Variables that look like ours and are none: most likely misspelt.
fn unknown_variables() -> impl Iterator<Item = String> {
    let is_known = |name: &str| {
        matches!(name, "HEADWATER_CONFIG" | "HEADWATER_DATABASE")
            || KEYS.iter().any(|key| key.env == name)
    };
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(move |name| name.starts_with("HEADWATER_") && !is_known(name))
}

/// Prints what a server would serve, without serving it.
fn check(settings: &Settings) -> Result<(), String> {
    let text = |error: ConfigError| error.to_string();
    let roots = settings.named_roots().map_err(text)?;
    let deadline = Duration::from_millis(settings.disk_deadline_ms.get());
    // All at the same time, so that several that hang cost one deadline.
    let listed: Vec<_> = roots.iter().map(|root| list_in_thread(root.dir.clone())).collect();
    let begun = Instant::now();
    let mut problems = 0;
    for (NamedDir { name, dir, .. }, listed) in roots.iter().zip(listed) {
        let prefix = name.as_ref().map_or("/media/".to_owned(), |name| format!("/media/{name}/"));
        let problem = match listed.recv_timeout(deadline.saturating_sub(begun.elapsed())) {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_elapsed) => Some(format!("does not answer within {} ms", deadline.as_millis())),
        };
        match problem {
            None => println!("{prefix}  from  {}", dir.display()),
            Some(problem) => {
                println!("{prefix}  from  {}: {problem}", dir.display());
                problems += 1;
            }
        }
    }
    println!("listen  {}", settings.listen);
    println!("data    {}", settings.data_folder().map_err(text)?.display());
    println!(
        "ffmpeg  {}",
        find_program("ffmpeg").map_or("not found".into(), |p| p.display().to_string())
    );
    if problems > 0 { Err(format!("{problems} of the folders cannot be read")) } else { Ok(()) }
}

/// Lists a folder in a thread of its own, which may hang.
fn list_in_thread(dir: PathBuf) -> mpsc::Receiver<io::Result<()>> {
    let (sender, listed) = mpsc::channel();
    thread::spawn(move || {
        // The first entry: opening alone succeeds on some disks that hang.
        let first = std::fs::read_dir(dir).and_then(|mut entries| entries.next().transpose());
        sender.send(first.map(drop))
    });
    listed
}
