//! Buckets: objects of an S3 server as the library.

mod fetching;
