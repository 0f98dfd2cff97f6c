//! The command line, with its defaults.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Parser;

use crate::attacks::{self, Attack};

/// Attack a Headwater of its own beside innocent clients, and tell what they notice.
#[derive(Debug, Parser)]
#[command(name = "attacks", version, args_override_self = true)]
pub struct Options {
    /// The Headwater binary.
    #[arg(long, value_name = "FILE", default_value = "target/release/headwater")]
    pub headwater: PathBuf,

    /// A further argument for `headwater serve`; may be repeated.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub headwater_arg: Vec<String>,

    /// List the attacks: what each does, and what it did to a server without limits against it.
    #[arg(long)]
    pub list: bool,

    /// Only these attacks; a name that ends in `*` stands for all that begin so.
    #[arg(long, value_name = "NAME", value_delimiter = ',', num_args = 1..)]
    pub only: Vec<String>,

    /// Not these attacks.
    #[arg(long, value_name = "NAME", value_delimiter = ',', num_args = 1..)]
    pub except: Vec<String>,

    /// Seconds of each attack.
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,

    /// Memory of the server, its worker and ffmpeg, in MiB; the server may use half of it.
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u64).range(64..=65536))]
    pub memory_mib: u64,

    /// Instead of one after the other: mix all attacks for so many minutes, and see whether the server
    /// keeps growing.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=1440))]
    pub soak: Option<u64>,

    /// Write all figures to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Folder for the library, logs and server state; the program makes a folder in it and deletes it
    /// at the end.
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    pub scratch: PathBuf,
}

impl Options {
    /// The attacks of this run, in the order of their list.
    pub fn chosen(&self) -> Result<Vec<&'static Attack>> {
        for pattern in self.only.iter().chain(&self.except) {
            if !attacks::all().any(|attack| matches(pattern, attack.name)) {
                bail!("there is no attack {pattern}; --list shows their names");
            }
        }
        let among = |patterns: &[String], name| patterns.iter().any(|p| matches(p, name));
        let is_chosen = |attack: &&Attack| {
            (self.only.is_empty() || among(&self.only, attack.name))
                && !among(&self.except, attack.name)
        };
        Ok(attacks::all().filter(is_chosen).collect())
    }
}

/// Whether a name is the pattern, or begins with the part in front of its `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arguments: &[&str]) -> Vec<&'static str> {
        let options = Options::parse_from([&["attacks"], arguments].concat());
        options.chosen().unwrap().iter().map(|attack| attack.name).collect()
    }

    #[test]
    fn a_run_makes_all_attacks_unless_some_are_chosen() {
        assert_eq!(names(&[]).len(), attacks::all().count());
        assert_eq!(names(&["--only", "searches", "clips-97"]), ["clips-97", "searches"]);
        assert!(names(&["--only", "h2-*"]).iter().all(|name| name.starts_with("h2-")));
        assert!(!names(&["--except", "h2-*"]).iter().any(|name| name.starts_with("h2-")));
    }

    #[test]
    fn an_unknown_attack_is_an_error() {
        let options = Options::parse_from(["attacks", "--only", "nothing"]);
        assert!(options.chosen().is_err());
    }
}
