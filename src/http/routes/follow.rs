//! `/media/<path>?follow`: a file that is sent while it grows.
//!
//! A recording plays while it is written. Its length is not known yet, so the response has no validator, no
//! ranges and no Content-Length.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use actix_web::{HttpRequest, HttpResponse, web::Data};
use bytes::Bytes;
use futures::{Stream, stream};

use crate::{
    extent::{File, ReadError, Source as _, disk::Unavailable},
    http::{Error, Site, following::endless, respond},
    library::{FileSubscription, Library, MediaPath},
    shares::{ClientKey, REVOKED, Share},
    telemetry::Metrics,
    wire::body::PiecePolicy,
};

/// The interval of checks for growth, which no watch reports on network file systems.
const TICK: Duration = Duration::from_millis(250);

/// The label of followers in metrics.
const RESOURCE: &str = "follow";

/// Responds with the file as it grows.
pub fn follow(
    request: &HttpRequest,
    site: &Data<Site>,
    path: MediaPath,
    file: &Arc<File>,
    media_type: &'static str,
) -> Result<HttpResponse, Error> {
    let place = site.followers.take(ClientKey::current()).map_err(|refused| {
        site.metrics.refused(RESOURCE, refused.reason());
        Error::NotReady("too many responses follow files, retry later")
    })?;
    let settings = site.settings.load();
    let idle_limit = Duration::from_secs(settings.follow_idle_s.get());
    // The age of the file counts as time already waited, so that an old file ends at once.
    let age = SystemTime::now().duration_since(file.identity().modified()).unwrap_or_default();
    let grown = Instant::now().checked_sub(age.min(idle_limit)).unwrap_or_else(Instant::now);
    let changes = site.titles.library.file_changes.subscribe(&path);
    let following = Following {
        closes: changes.closes(),
        changes,
        place,
        metrics: site.metrics.clone(),
        library: Arc::clone(&site.titles.library),
        path,
        file: Arc::clone(file),
        offset: 0,
        grown,
        closed: None,
        idle_limit,
        closed_limit: Duration::from_secs(settings.follow_closed_s.get()),
        policy: PiecePolicy::for_protocol(respond::protocol(request)),
    };
    Ok(endless(request, media_type, following.pieces()))
}

/// A file that is being sent as it grows.
struct Following {
    library: Arc<Library>,
    path: MediaPath,
    changes: Arc<FileSubscription>,
    place: Share,
    metrics: Metrics,
    /// The file in its last known state.
    file: Arc<File>,
    /// The number of sent bytes.
    offset: u64,
    /// The time of the last noticed growth.
    grown: Instant,
    /// The number of closes by writers that were noticed.
    closes: u64,
    /// The time of the last noticed close by a writer; `None` after later growth.
    closed: Option<Instant>,
    idle_limit: Duration,
    closed_limit: Duration,
    policy: PiecePolicy,
}

impl Following {
    fn pieces(self) -> impl Stream<Item = Result<Bytes, ReadError>> {
        stream::try_unfold(self, |mut following| async {
            let piece = following.next().await?;
            Ok(piece.map(|piece| (piece, following)))
        })
    }

    /// Waits for the next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        let changes = Arc::clone(&self.changes);
        loop {
            if self.offset < self.file.len() {
                let end = self.file.len().min(self.offset + self.policy.max_bytes);
                let piece = self.file.read_appended(self.offset..end).await?;
                self.offset += piece.len() as u64;
                // The send may have to wait, but a buffer of the pool must not.
                return Ok(Some(Bytes::copy_from_slice(&piece)));
            }
            // Both are read before the file's state, so that the state includes a write before the close,
            // and a later write wakes this loop.
            let (changed, closes) = (changes.changed(), changes.closes());
            let refreshed = self.file.refreshed().await?;
            if refreshed.len() < self.offset {
                return Err(ReadError::Truncated);
            }
            if refreshed.len() > self.offset {
                self.file = Arc::new(refreshed);
                self.grown = Instant::now();
                self.closed = None;
                continue;
            }
            if closes != self.closes {
                self.closes = closes;
                self.closed = Some(Instant::now());
            }
            if self.is_finished().await {
                return Ok(None);
            }
            tokio::select! {
                _ = tokio::time::timeout(TICK, changed) => {}
                () = self.place.revoked() => {
                    self.metrics.refused(RESOURCE, REVOKED);
                    // An error, because the file goes on.
                    return Err(Unavailable::Busy.into());
                }
            }
        }
    }

    async fn is_finished(&self) -> bool {
        self.closed.is_some_and(|closed| closed.elapsed() >= self.closed_limit)
            || self.grown.elapsed() >= self.idle_limit
            || self.is_replaced().await
    }

    /// Whether the name belongs to another file now, or to none; `false` if the disk does not respond.
    async fn is_replaced(&self) -> bool {
        match self.library.identity(&self.path).await {
            Ok(found) => !found.is_some_and(|found| found.same_file(self.file.identity())),
            Err(_unknown) => false,
        }
    }
}
