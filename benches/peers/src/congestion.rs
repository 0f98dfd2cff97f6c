//! The machine's TCP congestion control, changed for the run and restored after it.
//!
//! BBR paces: on loopback it waits between packets of a path that has no bottleneck, and these waits
//! dominate every other difference. A listener takes the machine's default when it opens, and nginx
//! has no setting of its own; so the default changes before any server starts, for all of them alike.

use std::fs;

use anyhow::Result;

const DEFAULT: &str = "/proc/sys/net/ipv4/tcp_congestion_control";

/// The congestion control in force; dropping it restores the former one.
#[derive(Debug)]
pub struct Congestion {
    /// Of every connection of this run.
    pub name: String,
    /// The machine's default before.
    former: String,
}

impl Congestion {
    /// Makes `wanted` the machine's default if possible, and otherwise keeps the default.
    pub fn set(wanted: &str) -> Result<Self> {
        let former = fs::read_to_string(DEFAULT)?.trim().to_owned();
        let name = match fs::write(DEFAULT, wanted) {
            Ok(()) => wanted.to_owned(),
            Err(error) => {
                eprintln!("! congestion control stays {former}: cannot set {wanted} ({error})");
                former.clone()
            }
        };
        Ok(Congestion { name, former })
    }
}

impl Drop for Congestion {
    fn drop(&mut self) {
        if self.name != self.former
            && let Err(error) = fs::write(DEFAULT, &self.former)
        {
            eprintln!("! could not restore {} in {DEFAULT}: {error}", self.former);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_control_keeps_the_default() {
        let read = || fs::read_to_string(DEFAULT).unwrap();
        let before = read();
        let congestion = Congestion::set("no-such-control").unwrap();
        assert_eq!(congestion.name, before.trim());
        drop(congestion);
        assert_eq!(read(), before);
    }
}
