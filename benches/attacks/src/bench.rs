//! One attack after the other, each on a new server.

use anyhow::{Context, Result};

use crate::attacks::Attack;
use crate::cage::Cage;
use crate::library::Library;
use crate::options::Options;
use crate::{interrupt, report, trial};

/// Makes the attacks; `true` if the server held against all.
pub fn run(options: &Options, attacks: &[&'static Attack]) -> Result<bool> {
    let (scratch, library) = prepare(options)?;
    let (mut outcomes, mut held) = (Vec::new(), 0);
    report::head();
    for (number, &attack) in attacks.iter().enumerate() {
        interrupt::check()?;
        report::say(&format!("{}: {}", attack.name, attack.what));
        let state = scratch.path().join(format!("state-{number}"));
        let outcome = trial::run(options, attack, &library, &state)
            .with_context(|| format!("the attack {}", attack.name))?;
        report::outcome(&outcome);
        held += usize::from(outcome.faults().is_empty());
        outcomes.push(outcome);
        // What there is, if the next one is interrupted.
        report::write_json(options.json.as_deref(), &outcomes)?;
    }
    println!("\nheld against {held} of {} attacks", attacks.len());
    Ok(held == attacks.len())
}

/// A folder for this run, and the library in it.
pub fn prepare(options: &Options) -> Result<(tempfile::TempDir, Library)> {
    use std::os::unix::fs::PermissionsExt;
    let scratch = tempfile::Builder::new().prefix("attacks-").tempdir_in(&options.scratch)?;
    // A server without rights must reach its library.
    std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(0o755))?;
    report::say("making the library");
    let library = Library::create(scratch.path())?;
    let memory = options.memory_mib << 20;
    report::say(&format!("{} MiB by {}", options.memory_mib, Cage::new(memory).kind()));
    Ok((scratch, library))
}
