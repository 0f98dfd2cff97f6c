//! The definition of the command line: commands, their arguments, and what their help shows.

use std::{ffi::OsString, path::Path};

use clap::{Arg, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::{ConfigArgs, generate, health, inspect, jobs};
use crate::{
    config::{KEYS, RootConfig},
    transcode::sandbox::Confinement,
};

/// A video streaming origin: point it at a folder, and every video in it streams.
///
/// `headwater ~/Videos` is short for `headwater serve ~/Videos`.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve one or more folders or buckets, or a single file.
    Serve(ServeArgs),
    /// Run jobs (images, renditions) for a server, besides the worker that `serve` starts.
    ///
    /// A worker may run on another machine that reaches the same folders, database and data folder.
    Worker(WorkerArgs),
    /// Run a program in a sandbox.
    #[command(hide = true)]
    Sandbox(Confinement),
    /// Check the configuration, the folders, the videos in them and the buckets, and print what a server would serve.
    ///
    /// Exit status: 0 if all can be read and played, else 1. The videos of a bucket are not read.
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
    /// Print the completions of a shell.
    ///
    /// For example: headwater completions bash > ~/.local/share/bash-completion/completions/headwater
    Completions(generate::CompletionsArgs),
    /// Write the manual pages into a folder.
    ///
    /// For example: headwater man ~/.local/share/man/man1
    Man(generate::ManArgs),
}

#[derive(Args, Clone, Debug)]
pub(super) struct ServeArgs {
    /// Folders with videos, a video file, or buckets: s3://bucket or s3://bucket/prefix.
    ///
    /// With one, its files are below /media/. With several, paths begin with the name of a folder, which
    /// name=DIR or name=s3://… sets. Of a file, only this title is served, with its subtitles and renditions beside it.
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::AnyPath)]
    pub(super) roots: Vec<RootConfig>,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

#[derive(Args, Clone, Debug)]
pub(super) struct WorkerArgs {
    #[command(flatten)]
    pub(super) serve: ServeArgs,
    /// Run under a server, which writes to standard input to wake this worker, and closes it to stop it.
    #[arg(long, hide = true)]
    pub(super) supervised: bool,
}

/// The settings that `serve -h` shows; `serve --help` shows all.
const USUAL_KEYS: [&str; 7] =
    ["listen", "data", "access_log", "api_token_file", "allowed_hosts", "log", "auto_renditions"];

/// The settings that a worker uses. It accepts all, because it gets the arguments of its server.
const WORKER_KEYS: [&str; 30] = [
    "data",
    "log",
    "log_format",
    "disk_threads",
    "disk_queue",
    "disk_deadline_ms",
    "open_files",
    "revalidate_ms",
    "write_quiet_ms",
    "body_buffers_mib",
    "cache_mib",
    "bucket_trust_s",
    "bucket_deadline_ms",
    "bucket_requests",
    "bucket_hedge",
    "segment_ms",
    "index_cache_mib",
    "database",
    "encode_slots",
    "chunk_s",
    "image_slots",
    "worker_niceness",
    "worker_idle",
    "job_memory_mib",
    "job_deadline_s",
    "job_stall_s",
    "job_lease_s",
    "sandbox",
    "artifacts_max_mib",
    "min_free_disk_mib",
];

/// The settings whose effect `check` shows. It accepts and checks all.
const CHECK_KEYS: [&str; 7] =
    ["listen", "data", "cache", "disk_deadline_ms", "bucket_deadline_ms", "segment_ms", "database"];

/// The command line, with the settings in each command's help that the command uses.
pub(super) fn command() -> clap::Command {
    Cli::command()
        .mut_subcommand("serve", |serve| {
            serve
                .mut_args(|arg| {
                    with_setting(arg, |arg, name| arg.hide_short_help(!USUAL_KEYS.contains(&name)))
                })
                .after_help("All settings: headwater serve --help")
                .after_long_help("")
        })
        .mut_subcommand("worker", |worker| worker.mut_args(|arg| showing(arg, &WORKER_KEYS)))
        .mut_subcommand("check", |check| check.mut_args(|arg| showing(arg, &CHECK_KEYS)))
}

fn showing(arg: Arg, keys: &[&str]) -> Arg {
    with_setting(arg, |arg, name| arg.hide(!keys.contains(&name)))
}

/// Changes the argument of a setting. Its short help is the first sentence.
fn with_setting(arg: Arg, change: impl FnOnce(Arg, &str) -> Arg) -> Arg {
    let Some(key) = KEYS.iter().find(|key| key.name == arg.get_id().as_str()) else {
        return arg;
    };
    let doc = key.doc.trim();
    let sentence = doc.split_once(". ").map_or(doc, |(first, _)| first).trim_end_matches('.');
    change(arg.help(sentence.to_owned()).long_help(doc.to_owned()), key.name)
}

/// Parses arguments.
pub(super) fn parse(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Makes `headwater ~/Videos` short for `headwater serve ~/Videos`: for what is no command, and looks like a
/// folder (a slash, a leading dot, `name=DIR`) or exists. So a misspelt command stays an error.
pub(super) fn with_default_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let Some(first) = arguments.get(1) else {
        return arguments;
    };
    let text = first.to_string_lossy();
    let is_served = match text.strip_prefix('-') {
        Some(_) => !["-h", "--help", "-V", "--version"].contains(&&*text),
        None => {
            let is_command = text == "help" || command().find_subcommand(&*text).is_some();
            let is_path = text.starts_with('.') || text.contains(['/', '=']);
            !is_command && (is_path || Path::new(first).exists())
        }
    };
    if is_served {
        arguments.insert(1, "serve".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_or_an_option_alone_is_served_and_a_misspelt_command_is_not() {
        let first = |argument: &str| {
            let arguments = ["headwater", argument].map(OsString::from).to_vec();
            with_default_command(arguments).swap_remove(1)
        };
        // Tests run in the folder of Cargo.toml.
        for served in [
            "/srv/films",
            "~/Videos",
            ".",
            "../films",
            "talks=/srv/talks",
            "media/",
            "media",
            "Cargo.toml",
            "--listen=:8080",
            "--config=/etc/headwater.toml",
        ] {
            assert_eq!(first(served), "serve", "{served}");
        }
        for other in ["serve", "serv", "jobs", "help", "--help", "-h", "--version", "-V"] {
            assert_eq!(first(other), other);
        }
    }

    #[test]
    fn the_lists_of_settings_in_help_name_keys() {
        command().debug_assert();
        for name in USUAL_KEYS.iter().chain(&WORKER_KEYS).chain(&CHECK_KEYS) {
            assert!(KEYS.iter().any(|key| key.name == *name), "{name}");
        }
    }
}
