//! Objects of a bucket.

mod cache; // the cache on local disk
