//! Faults of disks, files and movies.

mod broken_movies; // hundreds of broken movies
mod database_outages; // PostgreSQL that freezes or fails over under a server
mod file_changes; // files that are replaced, overwritten, truncated or deleted in mid-response
mod fuzz_corpus; // the seeds of the fuzz targets
mod hanging_roots; // a root whose disk hangs
mod overwriting; // files overwritten in place while they are sent by reference
mod read_failures; // sources that fail in mid-response
mod regressions; // faults fixed earlier
mod store_identity; // an origin with the database of others and a data folder of its own
