//! Buckets: objects of an S3 server as the library.

mod cache; // the cache on local disk
mod fetching;
mod serving; // what a server sends of a bucket
mod status; // what `/api/status` and the banner say
mod work; // jobs without a common folder
