//! The objects of a bucket as rows of the database: one lister, and origins that follow.

mod events; // notifications of the bucket
mod measurements; // run by hand
mod origins; // several origins of one bucket
mod rows; // the statements, on both databases

use std::ops::Deref;

use crate::support::{
    bucket::Bucket,
    folder::Folder,
    json::json,
    postgres,
    server::{Serving, serve_in},
    wait::until_slowly,
};

/// Nothing but the catalog notices a change within this time, and no request is sent twice.
const TRUST: &str = "bucket_trust_s = 3600\nindex_titles = false\nbucket_hedge = false\n";

/// What several origins share: a database and a data folder.
struct Site {
    folder: Folder,
    database: String,
}

/// An origin, with a cache of its own.
struct Origin {
    serving: Serving,
    _cache: Folder,
}

impl Deref for Origin {
    type Target = Serving;

    fn deref(&self) -> &Serving {
        &self.serving
    }
}

impl Site {
    /// A site with a PostgreSQL database.
    fn new() -> Self {
        Self::on(block_on_tokio(postgres::database()))
    }

    fn on(database: String) -> Self {
        Self { folder: Folder::new(), database }
    }

    /// Starts an origin of a bucket behind an endpoint, with more lines of configuration.
    fn origin(&self, bucket: &Bucket, endpoint: &str, configuration: &str) -> Origin {
        let cache = Folder::new();
        let root = bucket.root(&cache, endpoint);
        let configuration = format!(
            "{TRUST}{configuration}\ndatabase = \"{}\"\ncache = {:?}\n{root}",
            self.database,
            cache.path("cache")
        );
        let serving = serve_in(&self.folder.path("data"), &[], &configuration);
        Origin { serving, _cache: cache }
    }
}

impl Origin {
    /// The number of titles that it lists.
    fn titles(&self) -> usize {
        self.site().titles.library.catalog.len()
    }

    fn until_titles(&self, count: usize) {
        until_slowly(&format!("{count} titles are listed"), || self.titles() == count);
    }

    /// Where the names of the bucket come from, by `/api/status`.
    fn listing(&self) -> String {
        let status = json(&self.get("/api/status", &[]), 200);
        status["buckets"][0]["listing"].as_str().expect("a name").to_owned()
    }

    fn last_byte(&self, target: &str) -> (u16, Vec<u8>) {
        let response = self.get(target, &["Range: bytes=-1"]);
        (response.status, response.body)
    }
}

/// Runs a future that needs a whole runtime.
fn block_on_tokio<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}
