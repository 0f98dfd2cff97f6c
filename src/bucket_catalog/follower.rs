//! Keeps what an origin knows of a bucket in step with the database.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::{
    ListedBucket, ListingSource,
    rows::{GONE_KEPT, Rows, State},
};
use crate::store::{Database, DatabaseError};

/// The interval between queries without a signal: a lost connection may lose a notification.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Delay after an error of the database.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// How far an origin has followed.
#[derive(Debug, Default)]
struct Followed {
    /// The number of the last change that it knows; `None` if it must read all rows.
    seen: Option<i64>,
    /// The tables that the number is of.
    epoch: i64,
    /// When its names were last known to be those of a listing.
    listed: Option<Instant>,
    /// When it last read all rows.
    loaded: Option<Instant>,
}

impl ListedBucket {
    /// Follows the rows of the bucket; without the database, lists for itself.
    pub(super) async fn keep_following(self: Arc<Self>) {
        let mut followed = Followed::default();
        loop {
            if let Some(database) = self.database() {
                let Err(error) = self.follow(&database, &mut followed).await;
                debug!(%error, "the catalog of the bucket is not followed");
                // The database may come back as a copy that gives numbers a second time.
                followed.seen = None;
            }
            let is_old = |listed: Instant| listed.elapsed() >= self.shared.interval;
            if followed.listed.is_none_or(is_old) {
                self.list_alone(&mut followed).await;
            }
            if followed.listed.is_some() {
                self.note_own_listing();
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    fn note_own_listing(&self) {
        let before = std::mem::replace(&mut *self.source(), ListingSource::Own);
        if before != ListingSource::Own {
            let root = self.place.path();
            warn!(
                root = %root.display(),
                "the database does not respond: this origin keeps its names of the bucket, and lists \
                 it each rescan_s"
            );
        }
    }

    /// Lists the bucket for this origin alone.
    async fn list_alone(&self, followed: &mut Followed) {
        let library = &self.shared.library;
        if library.scan_root(self.root).await {
            // The rows may lack what this listing has, and would not say when it goes.
            *followed = Followed { listed: Some(Instant::now()), ..Followed::default() };
        }
        library.end_first_scan(self.root);
    }

    /// Follows until the database does not respond.
    async fn follow(
        &self,
        database: &Database,
        followed: &mut Followed,
    ) -> Result<std::convert::Infallible, DatabaseError> {
        let rows = Rows { database, root: &self.id };
        let mut changes = self.shared.signal.subscribe(database);
        loop {
            // Before the query, so that no signal during it is missed.
            changes.mark_unchanged();
            let state = rows.state().await?;
            if state.is_listed {
                self.catch_up(rows, state, followed).await?;
                followed.listed = Some(Instant::now());
                *self.source() = ListingSource::Database;
            } else {
                // Rows may be deleted without a number until the next whole listing.
                followed.seen = None;
            }
            timeout(POLL_INTERVAL, changes.changed()).await.ok();
        }
    }

    async fn catch_up(
        &self,
        rows: Rows<'_>,
        state: State,
        followed: &mut Followed,
    ) -> Result<(), DatabaseError> {
        let is_recent = followed.listed.is_some_and(|listed| listed.elapsed() < GONE_KEPT / 2);
        let is_ahead = self.is_ahead.swap(false, Ordering::AcqRel);
        let is_same = is_recent && !is_ahead && followed.epoch == state.epoch;
        let is_same = is_same && !self.lacks_rows(followed);
        let Some(mut seen) = followed.seen.filter(|seen| is_same && *seen <= state.last) else {
            followed.seen = None;
            self.load(rows).await?;
            (followed.seen, followed.epoch) = (Some(state.last), state.epoch);
            followed.loaded = Some(Instant::now());
            return Ok(());
        };
        while seen < state.last {
            let (changes, last) = rows.changes_after(seen).await?;
            self.apply(&changes).await;
            seen = if changes.is_empty() { state.last } else { last };
            followed.seen = Some(seen);
        }
        Ok(())
    }

    /// Whether there is room now for what was left out when there was none. No change says what that is, and so all
    /// rows are read again, as often as a folder is scanned.
    fn lacks_rows(&self, followed: &Followed) -> bool {
        let is_old = |loaded: Instant| loaded.elapsed() >= self.shared.interval;
        followed.loaded.is_some_and(is_old)
            && (self.place.has_room_for_more() || self.shared.library.has_room_for_more(self.root))
    }

    /// Reads all rows.
    async fn load(&self, rows: Rows<'_>) -> Result<(), DatabaseError> {
        let (mut objects, mut last) = (Vec::new(), String::new());
        loop {
            let page = rows.objects_behind(&last).await?;
            let Some(end) = page.last() else { break };
            last = end.key.to_string();
            objects.extend(page);
            if objects.len() > self.place.objects_max() {
                break;
            }
        }
        self.place.load(objects);
        let library = &self.shared.library;
        library.scan_open_root(self.root).await;
        library.end_first_scan(self.root);
        Ok(())
    }
}
