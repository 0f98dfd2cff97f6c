//! The rules of HTTP, then one small file per family of routes.
//!
//! The rules are pure: [`range`] and [`conditional`] know fields and numbers, [`respond`] applies
//! them to any content. No handler below [`routes`] reads a Range field, and none touches a file. A
//! handler turns a target into a [`resource`], and the same function does so for the fast path and for
//! the App. Every request and every response passes the [`pipeline`]; [`error`] is the one place where
//! an error becomes a status.

pub mod access_log;
pub mod app;
pub mod authorization;
pub mod bucket_status;
mod bucket_use;
pub mod conditional;
pub mod content;
pub mod content_coding;
pub mod cors;
pub mod error;
pub mod events;
pub mod extents_view;
pub mod fields;
pub mod following;
pub mod hosts;
pub mod job_counts;
pub mod methods;
pub mod multipart;
pub mod own_origin;
pub mod pipeline;
pub mod problem;
pub mod query;
pub mod range;
pub mod resource;
pub mod respond;
pub mod route_class;
pub mod routes;
pub mod server_timing;
pub mod text_response;
pub mod title_document;
pub mod title_item;
mod unavailable_roots;
pub mod urls;

pub use app::Site;
pub use error::Error;
