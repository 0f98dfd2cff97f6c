//! What must outlast the process, and is no film: the database.
//!
//! Everything above says each statement once, for both databases; only this room knows that there
//! are two of them.

pub mod database;
pub mod error;
mod migrate;
pub mod statement;
pub mod transaction;

pub use database::{Database, Dialect};
pub use error::DatabaseError;
pub use statement::{Row, Value};
pub use transaction::Transaction;
