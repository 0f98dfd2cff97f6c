//! The command line.

mod logs; // logs without a reader, hidden characters, pipes
mod process; // signals, configuration, logs
