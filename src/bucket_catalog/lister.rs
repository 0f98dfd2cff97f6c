//! Lists a bucket into the database, if no other process does.

use std::{io, sync::Arc, time::Duration};

use tokio::{select, time::sleep};
use tracing::{debug, info, warn};

use super::{
    ListedBucket,
    rows::{Lease, Merged, Observation, PageRange, Rows},
};
use crate::{
    extent::bucket::{LeftOut, ObjectChange},
    store::DatabaseError,
};

/// The interval between looks whether a round is due, and whether the bucket responds.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Why a round did not end.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Bucket(io::Error),
    #[error("the server stops")]
    Stopped,
}

impl ListedBucket {
    /// Lists the bucket whenever that is due, until the server stops.
    pub(super) async fn keep_listing(self: Arc<Self>) {
        loop {
            if let Some(database) = self.database() {
                let rows = Rows { database: &database, root: &self.id };
                match self.list_if_due(rows).await {
                    Ok(()) => {}
                    Err(RoundError::Stopped) => return,
                    Err(RoundError::Database(error)) => debug!(%error, "the bucket is not listed"),
                    Err(RoundError::Bucket(error)) => {
                        let root = self.place.path();
                        warn!(root = %root.display(), %error, "cannot list the root, retrying");
                        self.shared.library.end_first_scan(self.root);
                    }
                }
            }
            let reopened = async {
                sleep(LOOK_INTERVAL).await;
                self.place.reopen().await
            };
            select! {
                reopened = reopened => if let Err(error) = reopened {
                    debug!(%error, "the bucket is not available");
                },
                () = self.shared.stopped() => return,
            }
        }
    }

    async fn list_if_due(&self, rows: Rows<'_>) -> Result<(), RoundError> {
        let (interval, lease) = (self.shared.interval, self.shared.lease);
        if !rows.is_due(interval).await? {
            return Ok(());
        }
        let Some(lease) = rows.claim(&self.place.root_url(), lease, interval).await? else {
            return Ok(());
        };
        let listed = self.list(rows, &lease).await;
        if let Err(RoundError::Bucket(_) | RoundError::Stopped) = &listed {
            rows.release(&lease).await?;
        }
        listed
    }

    /// Lists from the page on where the last lister stopped, to the end.
    async fn list(&self, rows: Rows<'_>, lease: &Lease) -> Result<(), RoundError> {
        let (mut left_out, mut pages, mut changes) = (LeftOut::default(), 0_u64, 0);
        let mut seen = rows.state().await?.last;
        let mut after = lease.page_after.clone();
        loop {
            let listed = select! {
                listed = self.place.list_page(after.as_deref()) => listed,
                // Between two merges: the row says how far the rows are.
                () = self.shared.stopped() => return Err(RoundError::Stopped),
            };
            let (page, left_out_here) = listed.map_err(RoundError::Bucket)?;
            left_out.add(left_out_here);
            let objects: Vec<_> = page
                .objects
                .into_iter()
                .map(|listed| ObjectChange { key: Arc::clone(&listed.key), state: Some(listed) })
                .collect();
            let range = PageRange { after: after.as_deref(), last: page.next.as_deref() };
            let observation = Observation { page: Some((lease, range)), objects: &objects, seen };
            let Merged { is_held, written, last, .. } = rows.merge(&observation).await?;
            if !is_held {
                debug!("another process lists the bucket");
                return Ok(());
            }
            (pages, changes, seen) = (pages + 1, changes + written, last);
            if written > 0 || page.next.is_none() {
                self.shared.signal.wake();
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        self.place.report(&left_out);
        let root = self.place.path();
        match changes {
            0 => debug!(root = %root.display(), pages, "listed without a change"),
            _ => info!(root = %root.display(), pages, changes, "listed"),
        }
        Ok(rows.delete_gone().await?)
    }
}
