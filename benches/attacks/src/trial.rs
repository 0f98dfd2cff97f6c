//! One attack: a server starts, innocents come, attackers come and go, innocents stay.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::attacks::Attack;
use crate::hostile::Attackers;
use crate::innocent::{self, Innocents};
use crate::interrupt;
use crate::library::Library;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::server::Server;
use crate::usage::{Usage, forget_peak};

/// Time for a server to scan its library and render the first poster, and for the innocents' caches to
/// fill.
pub const WARM_UP: Duration = Duration::from_secs(4);

/// Longest quiet phase.
const QUIET_MAX: Duration = Duration::from_secs(10);

/// Longest time for memory to come back.
const SETTLE_MAX: Duration = Duration::from_secs(30);

/// Shortest time after an attack.
const AFTER_MIN: Duration = Duration::from_secs(3);

/// What may stay after an attack, in MiB.
pub const KEPT_MAX_MIB: f64 = 32.0;

/// Interval between two looks at the server; short, because one that is killed shows its last peak
/// only before.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Makes one attack on a new server.
pub fn run(
    options: &Options,
    attack: &'static Attack,
    library: &Library,
    state: &Path,
) -> Result<Outcome> {
    let mut server = Server::start(options, &attack.setup, &library.folder, state)?;
    let innocents = Innocents::start(server.address, library)?;
    let attack_time = Duration::from_secs(options.seconds);
    let mut used = server.usage()?.context("the server ended at once")?;
    watch(&mut server, &mut used, WARM_UP, |_| false)?;
    let quiet_from = Instant::now();
    watch(&mut server, &mut used, QUIET_MAX.min(attack_time), |_| false)?;
    ensure!(server.poll()?.is_none(), "the server ended in quiet: {}", server.last_words());

    let before = used;
    let lines_before = server.log_lines();
    forget_peak(server.id());
    let attack_from = Instant::now();
    let attackers = Attackers::start(attack, attack.clients, server.address)?;
    watch(&mut server, &mut used, attack_time, |_| false)?;
    let attack_to = Instant::now();
    let count = attackers.stop()?;
    let (under, lines) = (used, server.log_lines() - lines_before);

    let has_settled = |usage: &Usage| {
        attack_to.elapsed() > AFTER_MIN && usage.rss_mib <= before.rss_mib + KEPT_MAX_MIB
    };
    watch(&mut server, &mut used, SETTLE_MAX, has_settled)?;
    let after_to = Instant::now();
    // Who began under attack may still wait, and gives up in the end.
    let deadline = attack_to + innocent::TIMEOUT;
    while !innocents.have_ended(attack_to) && Instant::now() < deadline {
        interrupt::sleep(LOOK_INTERVAL)?;
    }
    Ok(Outcome {
        attack: attack.name,
        clients: attack.clients,
        seconds: (attack_to - attack_from).as_secs_f64(),
        bound: attack.bound,
        memory_mib: options.memory_mib,
        before,
        under,
        after: used,
        settled_s: (after_to - attack_to).as_secs_f64(),
        end: server.poll()?.map(|status| status.to_string()),
        out_of_memory_kills: server.cage().kills(),
        log_lines: lines,
        quiet: innocents.experience(quiet_from, attack_from),
        attacked: innocents.experience(attack_from, attack_to),
        afterwards: innocents.experience(attack_to, after_to),
        attackers: count,
    })
}

/// Watches what the server uses for a time, or until `is_enough`, or until it has ended.
fn watch(
    server: &mut Server,
    used: &mut Usage,
    time: Duration,
    is_enough: impl Fn(&Usage) -> bool,
) -> Result<()> {
    let deadline = Instant::now() + time;
    while let Some(usage) = server.usage()? {
        *used = usage;
        if Instant::now() > deadline || is_enough(used) {
            break;
        }
        interrupt::sleep(LOOK_INTERVAL)?;
    }
    Ok(())
}
