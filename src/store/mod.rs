//! Persistent state: the database and the artifact storage.
//!
//! Upper layers write each statement once; only this folder knows that there are two databases.

mod artifact_bucket;
mod artifact_key;
pub mod artifacts;
mod breaker;
mod change_signal;
mod connection;
pub mod database;
pub mod error;
pub mod identity;
mod identity_file;
mod migrate;
mod pooled;
mod postgres;
mod sqlite_file;
pub mod statement;
pub mod time;
pub mod transaction;

pub use artifact_bucket::{ArtifactBucket, ArtifactObject, ArtifactPage};
pub use change_signal::ChangeSignal;
pub use database::{Database, DatabaseLocation, Dialect};
pub use error::DatabaseError;
pub use postgres::PostgresPool;
pub use statement::{Row, Value};
pub use transaction::Transaction;
