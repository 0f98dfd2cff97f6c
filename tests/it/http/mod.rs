//! HTTP semantics.

mod assets; // the files of the page, and their caching
mod cases; // the rules of RFC 9110 as a table of requests and responses
mod content_codings; // gzip and br: of text, never of media
mod cross_origin; // CORS, methods, request ids, health
mod derived_urls; // the rules of RFC 9110 for what is derived from a title
mod embedding; // players on pages of others
mod events; // the event stream
mod header_fields; // the closed list of response header fields
mod hosts; // host names, and targets in absolute form
mod metrics; // the rules and values of metrics, the dashboard and the alerts
mod openapi; // the API against its description
mod page; // the documents, without a script
mod properties; // properties of any request
mod proxies; // behind nginx and Caddy, as the documents configure them
mod query_strings; // booleans in query strings
mod request_bodies; // request bodies: limits, timeouts, reuse of the connection
mod responses; // the table of cases, over sockets and in memory
mod slices; // behind nginx with a cache of slices and an origin for each title
mod title_documents; // one title, whatever its file is
