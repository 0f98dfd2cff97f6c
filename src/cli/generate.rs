//! `headwater completions` and `headwater man`: files for shells and for man(1), from the definition of the
//! command line.

use std::{fs, io, path::PathBuf, process::ExitCode};

use clap_complete::Shell;

use super::{
    command_line::command,
    print::{print, print_error},
};

#[derive(clap::Args, Clone, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(clap::Args, Clone, Debug)]
pub(super) struct ManArgs {
    /// The folder; it is created if it does not exist.
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
}

/// Prints the completions of a shell.
pub(super) fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "headwater", &mut script);
    match print(&String::from_utf8_lossy(&script)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(error);
            ExitCode::FAILURE
        }
    }
}

/// Writes `headwater.1`, and a page for each command: `headwater-serve.1`.
pub(super) fn man(args: &ManArgs) -> ExitCode {
    match write_pages(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let folder = args.folder.display();
            print_error(format_args!("cannot write the manual pages into {folder}: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn write_pages(args: &ManArgs) -> io::Result<()> {
    fs::create_dir_all(&args.folder)?;
    clap_mangen::generate_to(command(), &args.folder)
}
