//! The rules of HTTP, then one small file per family of routes.
//!
//! The rules are pure: [`range`] and [`conditional`] know fields and numbers, [`respond`] applies
//! them to any content, whatever it is. No handler below [`routes`] reads a Range field, and none
//! touches a file. [`edge`] is what every request and every answer passes, [`error`] is the one
//! place where something that went wrong becomes a status.

pub mod access_log;
pub mod app;
pub mod authorization;
pub mod conditional;
pub mod content;
pub mod content_coding;
pub mod cors;
pub mod error;
pub mod events;
pub mod extents_view;
pub mod fields;
pub mod following;
pub mod multipart;
pub mod pipeline;
pub mod range;
pub mod respond;
pub mod routes;
pub mod text_response;
pub mod urls;

pub use app::Site;
pub use error::Error;
