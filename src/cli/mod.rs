//! The command line: arguments and text output.

mod broken_files;
mod check;
mod check_bucket;
mod command_line;
mod findings;
mod generate;
mod health;
mod inspect;
mod jobs;
mod jobs_text;
mod print;
mod report_text;
mod sandbox;
mod version;

use std::{error::Error as _, ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{
    Arg,
    error::{ContextKind, ContextValue, ErrorKind},
};

use self::{
    command_line::{Command, ServeArgs, WorkerArgs, with_default_command},
    print::{print, print_error},
};
use crate::{
    config::{ConfigError, KEYS, Layer, RootConfig, Settings, similar},
    jobs::supervisor::{Timeouts, WorkerCommand},
    serve::{self, worker},
    telemetry,
};

/// Exit status: invalid arguments, as of clap.
const EXIT_USAGE: u8 = 2;

/// The beginning of the names of all variables of the environment that set a key.
const ENV_PREFIX: &str = "HEADWATER_";

/// The configuration file and the settings that override it.
#[derive(clap::Args, Clone, Debug)]
struct ConfigArgs {
    /// Configuration file; config/headwater.toml documents all keys.
    #[arg(long, env = "HEADWATER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    layer: Layer,
}

/// The program.
pub fn main() -> ExitCode {
    let arguments = with_default_command(std::env::args_os().collect());
    let code = run(&arguments);
    telemetry::log::finish();
    code
}

fn run(arguments: &[OsString]) -> ExitCode {
    let command = match command_line::parse(arguments) {
        Ok(cli) => cli.command,
        Err(error) => return refuse(&error, arguments),
    };
    for name in unknown_variables() {
        // Without the prefix, which makes all names similar.
        let own = |variable: &'static str| variable.strip_prefix(ENV_PREFIX).unwrap_or(variable);
        let known = KEYS.iter().map(|key| own(key.env));
        let unknown = name.strip_prefix(ENV_PREFIX).unwrap_or(&name);
        let next_step = match similar(unknown, known) {
            Some(meant) => format!("did you mean {ENV_PREFIX}{meant}?"),
            None => "`headwater serve --help` lists all keys".to_owned(),
        };
        print_error(format_args!("unknown key in the environment: {name}; {next_step}"));
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
        Command::Check(args) => args.settings().and_then(|settings| check::run(&settings)),
        Command::Inspect(args) => return inspect::run(&args),
        Command::Jobs(args) => return jobs::run(&args),
        Command::Completions(args) => return generate::completions(&args),
        Command::Man(args) => return generate::man(&args),
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

/// Prints why arguments are invalid, or what `--help` and `--version` ask for.
fn refuse(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayVersion => {
            // A reader that has gone has read enough.
            let _ = print(&version::text());
            return ExitCode::SUCCESS;
        }
        ErrorKind::InvalidSubcommand => {
            if let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand)
                && arguments.get(1).is_some_and(|first| first == name.as_str())
            {
                let next_step = match error.get(ContextKind::SuggestedSubcommand) {
                    Some(ContextValue::Strings(names)) if !names.is_empty() => {
                        format!("did you mean `headwater {}`?", names[0])
                    }
                    _ => "see `headwater --help`".to_owned(),
                };
                print_error(format_args!(
                    "no command, folder or file is named {name}; {next_step}"
                ));
                return ExitCode::from(EXIT_USAGE);
            }
        }
        // The URL of a bucket may have a secret in front of its name.
        ErrorKind::ValueValidation => {
            if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue)
                && value.contains("s3://")
                && value.contains('@')
                && let Some(reason) = error.source()
            {
                print_error(reason);
                return ExitCode::from(EXIT_USAGE);
            }
        }
        _ => {}
    }
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
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
    names.filter(move |name| name.starts_with(ENV_PREFIX) && !is_known(name))
}
