//! Reads what lists show of titles: those just listed first, then the others, one at a time. Of a bucket it
//! reads only those just listed: each read is two requests, and takes room in the cache.
//!
//! The catalog keeps the facts, within its own bound, and the database, if there is one, keeps them for the
//! next start. Files are opened and indexed as for requests, so that no file is read twice at once.

mod retries;

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, info};

use self::retries::Retries;
use crate::{
    http::Site,
    library::{
        Library, MediaPath, NamedRoot, Title,
        catalog::{Catalog, Changes},
    },
    store::{Database, DatabaseError},
    titles::{
        Error,
        fact_store::{self, Known},
        facts,
    },
};

/// The delay before the next round while the server is busy.
const BUSY_INTERVAL: Duration = Duration::from_secs(3);

/// Titles of one look into the catalog.
const PAGE: usize = 64;

/// The longest pause between two files that no client waits for: each is as long as the read before it.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The most facts, and the longest time, between two writes to the database.
const UNSAVED_MAX: usize = 100;
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// Indexes titles as they appear and change, until the server ends.
pub(super) async fn run(site: Arc<Site>) {
    let mut indexer = Indexer {
        site: Arc::clone(&site),
        is_restored: false,
        changes: site.titles.library.catalog.changes(),
        retries: Retries::default(),
        unsaved: Vec::new(),
        saved: Instant::now(),
    };
    let catalog = &site.titles.library.catalog;
    let mut next_round = None;
    loop {
        match next_round {
            None => catalog.lacks_facts().await,
            Some(due) => drop(timeout_at(due, catalog.lacks_facts()).await),
        }
        next_round = indexer.run_round().await;
    }
}

struct Indexer {
    site: Arc<Site>,
    /// Whether the facts of an earlier process have been read from the database.
    is_restored: bool,
    /// The number of the last change whose removed titles have no rows any more.
    changes: u64,
    /// Titles that could not be read.
    retries: Retries,
    /// Facts that the database lacks.
    unsaved: Vec<Known>,
    saved: Instant,
}

impl Indexer {
    /// Indexes all titles that lack facts, except those of buckets that no list has shown. Returns the time of
    /// the next round, if any is left for it.
    async fn run_round(&mut self) -> Option<Instant> {
        self.delete_removed().await;
        if !self.is_restored && !self.catalog().is_scanning() {
            self.restore().await;
        }
        for path in self.retries.due(Instant::now()) {
            self.index(&path).await;
        }
        let roots = self.site.titles.library.roots();
        let has_folders = roots.iter().any(|named| named.root.bucket().is_none());
        let (mut is_busy, mut last) = (false, None);
        loop {
            self.index_wanted().await;
            // The first scan goes first, and most facts come from the database then.
            if self.catalog().is_scanning() || !has_folders {
                break;
            }
            let (site, behind) = (Arc::clone(&self.site), last);
            let page = self
                .site
                .spawn_blocking_limited(move || next_in_folders(&site.titles.library, behind));
            let Ok((titles, key)) = page.await else {
                is_busy = true;
                break;
            };
            if titles.is_empty() {
                break;
            }
            last = key;
            for title in titles {
                self.index_wanted().await;
                let begun = Instant::now();
                self.index(&title.path).await;
                sleep(begun.elapsed().min(PAUSE_MAX)).await;
            }
        }
        self.save().await;
        let library = Arc::clone(&self.site.titles.library);
        self.retries.retain(|path, version| {
            library.catalog.get(path).is_some_and(|title| title.version == version)
        });
        let busy = is_busy.then(|| Instant::now() + BUSY_INTERVAL);
        [busy, self.retries.next_due()].into_iter().flatten().min()
    }

    /// Indexes the titles that a client was just shown.
    async fn index_wanted(&mut self) {
        while let Some(path) = self.catalog().next_wanted() {
            self.index(&path).await;
        }
    }

    /// Finds the facts of a title in the database, or reads them.
    async fn index(&mut self, path: &MediaPath) {
        let found = self.catalog().get(path);
        // A remuxed movie may tell what the file did not.
        let is_known = |title: &Title| title.facts.is_some_and(|facts| facts.duration_ms.is_some());
        let Some(title) = found.filter(|title| !is_known(title)) else {
            return self.retries.forget(path);
        };
        let Title { version, facts: known, .. } = title;
        if !self.retries.is_due(path, version, Instant::now()) {
            return;
        }
        if known.is_none()
            && !self.is_restored
            && let Some(database) = self.database()
            && let Ok(Some(facts)) = fact_store::find(&database, path, version).await
        {
            self.catalog().note_facts([(path.clone(), version, facts)]);
            return self.retries.forget(path);
        }
        match facts::read(&self.site.titles, &title).await {
            Ok(facts) => {
                self.retries.forget(path);
                self.catalog().note_facts([(path.clone(), version, facts)]);
                self.unsaved.push((path.clone(), version, facts));
                if self.unsaved.len() >= UNSAVED_MAX || self.saved.elapsed() >= SAVE_INTERVAL {
                    self.save().await;
                }
            }
            Err(error) => {
                debug!(?path, %error, "cannot read a title for lists, retrying");
                // Those that grow and those that are replaced are ready soon.
                let is_soon = matches!(error, Error::Growing | Error::NotReady(_) | Error::Busy);
                self.retries.note_failure(path, version, is_soon, Instant::now());
            }
        }
    }

    /// Takes the facts of an earlier process from the database, and deletes those of titles that are gone.
    async fn restore(&mut self) {
        let Some(database) = self.database() else { return };
        match self.restore_from(&database).await {
            Ok(restored) => {
                self.is_restored = true;
                info!(restored, "facts of titles read from the database");
            }
            Err(error) => debug!(%error, "cannot read the facts of titles"),
        }
    }

    async fn restore_from(&self, database: &Database) -> Result<usize, DatabaseError> {
        let library = &self.site.titles.library;
        // The titles of a root that could not be listed yet are not gone.
        let is_whole = library.roots().iter().all(NamedRoot::is_scanned);
        let (mut restored, mut last) = (0, None::<String>);
        loop {
            let page = fact_store::page_behind(database, last.as_deref()).await?;
            let (mut known, mut gone) = (Vec::new(), Vec::new());
            for stored in &page {
                match stored.path().and_then(|path| library.catalog.get(&path)) {
                    Some(Title { path, version, .. }) => {
                        let facts = stored.facts_of(version);
                        known.extend(facts.map(|facts| (path, version, facts)));
                    }
                    None => gone.push(stored.encoded_path().to_owned()),
                }
            }
            restored += known.len();
            library.catalog.note_facts(known);
            if is_whole {
                fact_store::delete(database, gone).await?;
            }
            match page.last() {
                Some(stored) => last = Some(stored.encoded_path().to_owned()),
                None => return Ok(restored),
            }
        }
    }

    /// Deletes the rows of titles that are gone since the last look. Those of more than an event names are
    /// deleted at the next start.
    async fn delete_removed(&mut self) {
        let (changes, last) = self.catalog().changes_since(self.changes);
        self.changes = last;
        if let (Changes::Known { removed, .. }, Some(database)) = (changes, self.database())
            && let Err(error) = fact_store::delete(&database, encoded(&removed)).await
        {
            debug!(%error, "cannot delete the facts of removed titles");
        }
    }

    async fn save(&mut self) {
        self.saved = Instant::now();
        let unsaved = std::mem::take(&mut self.unsaved);
        if let (false, Some(database)) = (unsaved.is_empty(), self.database())
            && let Err(error) = fact_store::save(&database, &unsaved).await
        {
            debug!(%error, "cannot store the facts of titles: the next start reads them again");
        }
    }

    fn catalog(&self) -> &Catalog {
        &self.site.titles.library.catalog
    }

    fn database(&self) -> Option<Database> {
        self.site.jobs.load().as_ref().map(|jobs| jobs.queue.database().clone())
    }
}

/// The next titles in folders that lack facts, and the key of the last title that was looked at.
fn next_in_folders(
    library: &Library,
    mut behind: Option<Box<[u8]>>,
) -> (Vec<Title>, Option<Box<[u8]>>) {
    loop {
        let (mut titles, last) = library.catalog.without_facts(behind.as_deref(), PAGE);
        let is_end = titles.is_empty();
        titles.retain(|title| !library.is_in_bucket(&title.path));
        if is_end || !titles.is_empty() {
            return (titles, last);
        }
        behind = last;
    }
}

/// The paths as the database has them.
fn encoded(paths: &[MediaPath]) -> Vec<String> {
    paths.iter().map(|path| path.encoded().to_string()).collect()
}
