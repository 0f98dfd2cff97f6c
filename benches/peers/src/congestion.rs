//! The machine's TCP congestion control, changed for the run and put back after it.
//!
//! BBR paces: on loopback it waits between packets of a path that has no bottleneck, and the
//! waiting then dominates every other difference. A listener takes the machine's default when
//! it is opened, and nginx offers no setting of its own; so the default is changed before any
//! server starts, which treats all of them alike.

use std::fs;

const DEFAULT: &str = "/proc/sys/net/ipv4/tcp_congestion_control";
const AVAILABLE: &str = "/proc/sys/net/ipv4/tcp_available_congestion_control";

/// The congestion control in force; dropping it puts the former one back.
#[derive(Debug)]
pub struct Congestion {
    /// What every connection of this run uses.
    pub name: String,
    /// What was in force before, if that was changed.
    former: Option<String>,
}

impl Congestion {
    /// Makes `wanted` the machine's default if that is possible, and otherwise leaves the
    /// default alone; [`Congestion::describe`] says which.
    pub fn set(wanted: &str) -> Self {
        let former = read(DEFAULT);
        if former == wanted {
            return Congestion { name: former, former: None };
        }
        match fs::write(DEFAULT, wanted) {
            Ok(()) => Congestion { name: wanted.to_owned(), former: Some(former) },
            Err(error) => {
                let available = read(AVAILABLE);
                eprintln!(
                    "! congestion control stays {former}: cannot set {wanted} ({error}; \
                     available: {available}; changing it needs root)"
                );
                Congestion { name: former, former: None }
            }
        }
    }

    /// One phrase for the table of machine facts.
    pub fn describe(&self) -> String {
        match &self.former {
            Some(former) => format!("{} (the machine's default is {former})", self.name),
            None => format!("{} (the machine's default)", self.name),
        }
    }
}

impl Drop for Congestion {
    fn drop(&mut self) {
        let Some(former) = self.former.take() else {
            return;
        };
        if let Err(error) = fs::write(DEFAULT, &former) {
            eprintln!("! could not put back {former} into {DEFAULT}: {error}");
        }
    }
}

fn read(file: &str) -> String {
    fs::read_to_string(file)
        .map(|text| text.trim().to_owned())
        .unwrap_or_else(|_| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_control_leaves_the_default() {
        let before = read(DEFAULT);
        let congestion = Congestion::set("no-such-control");
        assert_eq!(congestion.name, before);
        drop(congestion);
        assert_eq!(read(DEFAULT), before);
    }
}
