//! The command line.

mod access_log; // the formats of the access log, and the bytes in it
mod buckets; // what `check` says of a bucket
mod first_minute; // what people type first, and the messages they get
mod logs; // logs without a reader, hidden characters, pipes
mod process; // signals, configuration, logs
