//! The command line.

mod logs; // logs that nobody reads, hidden characters, pipes
mod process; // signals, configuration, logs
