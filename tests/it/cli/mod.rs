//! The command line.

mod process; // signals, configuration, logs
