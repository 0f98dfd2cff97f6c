//! Buckets: objects of an S3 server as the library.

mod away; // what viewers read of a bucket that does not respond
mod cache; // the cache on local disk
mod catalog; // the objects in the database, and its followers
mod evicting; // what is evicted while it is sent
mod fault_proxy; // which makes the faults of these tests
mod faults; // of a bucket, as clients of a server see them
mod fetching;
mod hedging; // second requests for what comes late
mod requests; // how many of them a server sends
mod scale; // several origins behind nginx
mod servers; // other S3 servers
mod serving; // what a server sends of a bucket
mod status; // what `/api/status` and the banner say
mod work; // jobs without a common folder
