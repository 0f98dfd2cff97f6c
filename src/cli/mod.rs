//! The command line: arguments and text output.

mod health;
mod inspect;
mod jobs;
mod jobs_text;
mod print;
mod report_text;
mod sandbox;

use std::{
    ffi::OsString,
    fmt::{self, Write as _},
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use clap::{Arg, Parser, Subcommand};

use self::print::{print, print_error};
use crate::{
    config::{ConfigError, KEYS, Layer, NamedDir, RootConfig, Settings},
    jobs::supervisor::{Timeouts, WorkerCommand},
    serve::{self, worker},
    store::DatabaseLocation,
    telemetry,
    transcode::{program::find_program, sandbox::Confinement},
};

/// A video streaming origin: point it at a folder, and every video in it streams.
///
/// `headwater ~/Videos` is short for `headwater serve ~/Videos`.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve one or more folders.
    Serve(ServeArgs),
    /// Run jobs (images, renditions) for a server, besides the worker that `serve` starts, also on
    /// another machine that reaches the same database and data folder.
    Worker(WorkerArgs),
    /// Run a program in a sandbox.
    #[command(hide = true)]
    Sandbox(Confinement),
    /// Check the configuration and the folders, and print what a server would serve.
    Check(ServeArgs),
    /// Report the contents of a video file, its problems, and the players that play it.
    ///
    /// Needs no server and writes nothing. Exit status: 0 if a player can play at least a part of the
    /// file, 1 if none can, 2 if the file cannot be read or the arguments are invalid.
    Inspect(inspect::InspectArgs),
    /// List jobs with their progress; cancel or retry one.
    Jobs(jobs::JobsArgs),
    /// Ask the server at `listen` whether it is ready. Exit status: 0 if it is, else 1.
    Health(health::HealthArgs),
}

/// The configuration file and the settings that override it.
#[derive(clap::Args, Clone, Debug)]
struct ConfigArgs {
    /// Configuration file; config/headwater.toml documents all keys.
    #[arg(long, env = "HEADWATER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    layer: Layer,
}

#[derive(clap::Args, Clone, Debug)]
struct ServeArgs {
    /// Folders with videos. With one, its files are below /media/. With several, paths begin with the
    /// name of a folder, which name=DIR sets.
    #[arg(value_name = "DIR")]
    roots: Vec<RootConfig>,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(clap::Args, Clone, Debug)]
struct WorkerArgs {
    #[command(flatten)]
    serve: ServeArgs,
    /// Run under a server, which writes to standard input to wake this worker, and closes it to stop it.
    #[arg(long, hide = true)]
    supervised: bool,
}

/// The program.
pub fn main() -> ExitCode {
    let arguments = with_default_command(std::env::args_os().collect());
    let code = run(&arguments);
    telemetry::log::finish();
    code
}

fn run(arguments: &[OsString]) -> ExitCode {
    let command = Cli::parse_from(arguments).command;
    for name in unknown_variables() {
        print_error(format_args!("unknown key in the environment: {name}"));
    }
    let result = match command {
        Command::Serve(args) => args.settings().and_then(|settings| {
            let worker = local_worker(arguments);
            let read_settings = move || args.settings();
            serve::run(settings, worker, read_settings).map_err(|error| error.to_string())
        }),
        Command::Worker(WorkerArgs { serve, supervised }) => {
            let work = |settings| worker::run(settings, supervised);
            serve.settings().and_then(|settings| work(settings).map_err(|error| error.to_string()))
        }
        Command::Sandbox(confinement) => return sandbox::run(confinement),
        Command::Check(args) => args.settings().and_then(|settings| check(&settings)),
        Command::Inspect(args) => return inspect::run(&args),
        Command::Jobs(args) => return jobs::run(&args),
        Command::Health(args) => return health::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(error);
            ExitCode::FAILURE
        }
    }
}

impl ConfigArgs {
    /// Merges flags and environment, the file, and the defaults. `roots` are those of the command line.
    fn settings(&self, roots: &[RootConfig]) -> Result<Settings, ConfigError> {
        let mut flags = self.layer.clone();
        flags.root = roots.to_vec();
        let file = self.config.as_deref().map(Layer::read).transpose()?;
        Ok(Settings::from_layers(&[flags, file.unwrap_or_default()]))
    }

    /// Hides the settings that a command does not use, and lets the others follow its subcommands.
    fn only_data(arg: Arg) -> Arg {
        match arg.get_id().as_str() {
            "config" | "data" | "database" => arg.global(true),
            id if KEYS.iter().any(|key| key.name == id) => arg.hide(true),
            _ => arg,
        }
    }
}

impl ServeArgs {
    fn settings(&self) -> Result<Settings, String> {
        let settings = self.config.settings(&self.roots).map_err(|error| error.to_string())?;
        if settings.roots.is_empty() {
            return Err(
                "no folder given; try `headwater ~/Videos`, or add a [[root]] to the configuration \
                 file"
                    .into(),
            );
        }
        Ok(settings)
    }
}

/// Makes `headwater ~/Videos` short for `headwater serve ~/Videos`. A folder needs a slash, a leading dot
/// or a name (`name=DIR`), so that a misspelt command stays an error.
fn with_default_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is_folder = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        !argument.starts_with('-') && (argument.starts_with('.') || argument.contains(['/', '=']))
    };
    if arguments.get(1).is_some_and(is_folder) {
        arguments.insert(1, "serve".into());
    }
    arguments
}

/// The command of a server's worker: the same arguments as the server's.
fn local_worker(server: &[OsString]) -> std::io::Result<WorkerCommand> {
    let own = server.iter().skip(2).cloned();
    let arguments = ["worker", "--supervised"].map(OsString::from).into_iter().chain(own).collect();
    let program = std::env::current_exe()?;
    Ok(WorkerCommand { program, arguments, timeouts: Timeouts::default() })
}

/// Variables with our prefix that are no key: most likely misspelt.
fn unknown_variables() -> impl Iterator<Item = String> {
    let is_known =
        |name: &str| name == "HEADWATER_CONFIG" || KEYS.iter().any(|key| key.env == name);
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(move |name| name.starts_with("HEADWATER_") && !is_known(name))
}

/// Prints the address, roots and folders of a server with these settings.
fn check(settings: &Settings) -> Result<(), String> {
    let roots = settings.named_roots().map_err(|error| error.to_string())?;
    let data = settings.data_folder().map_err(|error| error.to_string())?;
    let database = DatabaseLocation::parse(settings.database.as_deref(), &data);
    database.map_err(|error| error.to_string())?;
    let mut report = String::new();
    // Writing to a string does not fail.
    let problems = write_check(&mut report, settings, &roots, &data).unwrap_or_default();
    print(&report).map_err(|error| error.to_string())?;
    match problems {
        0 => Ok(()),
        problems => Err(format!("{problems} of {} folders cannot be read", roots.len())),
    }
}

/// Writes the report of a check. Returns the number of roots that cannot be read.
fn write_check(
    report: &mut String,
    settings: &Settings,
    roots: &[NamedDir],
    data: &Path,
) -> Result<usize, fmt::Error> {
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
            Err(_elapsed) => Some(format!("does not respond within {} ms", deadline.as_millis())),
        };
        match problem {
            None => writeln!(report, "{prefix}  from  {}", dir.display())?,
            Some(problem) => {
                writeln!(report, "{prefix}  from  {}: {problem}", dir.display())?;
                problems += 1;
            }
        }
    }
    writeln!(report, "listen  {}", settings.listen)?;
    writeln!(report, "data    {}", data.display())?;
    let ffmpeg = find_program("ffmpeg").map(|program| program.display().to_string());
    writeln!(report, "ffmpeg  {}", ffmpeg.as_deref().unwrap_or("not found"))?;
    Ok(problems)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_alone_is_served_and_a_misspelt_command_is_not() {
        let first = |argument: &str| {
            let arguments = ["headwater", argument].map(OsString::from).to_vec();
            with_default_command(arguments).swap_remove(1)
        };
        for folder in ["/srv/films", "~/Videos", ".", "../films", "talks=/srv/talks", "media/"] {
            assert_eq!(first(folder), "serve", "{folder}");
        }
        for other in ["serve", "serv", "jobs", "--help", "--config=/etc/headwater.toml", "-V"] {
            assert_eq!(first(other), other);
        }
    }
}
