//! `/media/<path>?follow`: a file as it is, and then as it grows.
//!
//! A recording plays while it is written. Its length is not known yet, so the response promises nothing
//! that needs one: no validator, no ranges, no Content-Length.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use actix_web::{HttpRequest, HttpResponse, web::Data};
use bytes::Bytes;
use futures::{Stream, stream};

use crate::{
    extent::{ReadError, Source as _, disk::File},
    http::{Site, following::endless, respond},
    library::{FileSubscription, Library, MediaPath},
    wire::body::PiecePolicy,
};

/// Growth that no watch reports (network file systems) is noticed within this time.
const TICK: Duration = Duration::from_millis(250);

/// Responds with the file as it grows.
pub fn follow(
    request: &HttpRequest,
    site: &Data<Site>,
    path: MediaPath,
    file: &Arc<File>,
    media_type: &'static str,
) -> HttpResponse {
    let settings = site.settings.load();
    let idle_limit = Duration::from_secs(settings.follow_idle_s.get());
    // A file that has not grown for long is not growing: its age counts as time already waited.
    let age = SystemTime::now().duration_since(file.identity().modified()).unwrap_or_default();
    let grown = Instant::now().checked_sub(age.min(idle_limit)).unwrap_or_else(Instant::now);
    let changes = site.library.file_changes.subscribe(&path);
    let following = Following {
        closes: changes.closes(),
        changes,
        library: Arc::clone(&site.library),
        path,
        file: Arc::clone(file),
        offset: 0,
        grown,
        closed: None,
        idle_limit,
        closed_limit: Duration::from_secs(settings.follow_closed_s.get()),
        handling: PiecePolicy::for_protocol(respond::protocol(request)),
    };
    endless(request, media_type, following.pieces())
}

/// A file that is being sent as it grows.
struct Following {
    library: Arc<Library>,
    path: MediaPath,
    changes: Arc<FileSubscription>,
    /// The file in its last known state.
    file: Arc<File>,
    /// Bytes that were sent.
    offset: u64,
    /// When the file was last seen to have grown.
    grown: Instant,
    /// How often writers were seen to close it.
    closes: u64,
    /// When its writer was seen to close it, if it has not grown since.
    closed: Option<Instant>,
    idle_limit: Duration,
    closed_limit: Duration,
    handling: PiecePolicy,
}

impl Following {
    fn pieces(self) -> impl Stream<Item = Result<Bytes, ReadError>> {
        stream::try_unfold(self, |mut following| async {
            let piece = following.next().await?;
            Ok(piece.map(|piece| (piece, following)))
        })
    }

    /// The next piece, as soon as there is one; `None` when no more will come.
    async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        let changes = Arc::clone(&self.changes);
        loop {
            if self.offset < self.file.len() {
                let end = self.file.len().min(self.offset + self.handling.max_bytes);
                let piece = self.file.read_appended(self.offset..end).await?;
                self.offset += piece.len() as u64;
                // Sending may have to wait; a buffer of the pool must not.
                return Ok(Some(Bytes::copy_from_slice(&piece)));
            }
            // Both are read before the file's state: so a write before the close is seen then, and a
            // write after that wakes this loop.
            let (changed, closes) = (changes.changed(), changes.closes());
            let now = self.file.now().await?;
            if now.len() < self.offset {
                return Err(ReadError::Truncated);
            }
            if now.len() > self.offset {
                self.file = Arc::new(now);
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
            let _ = tokio::time::timeout(TICK, changed).await;
        }
    }

    async fn is_finished(&self) -> bool {
        self.closed.is_some_and(|closed| closed.elapsed() >= self.closed_limit)
            || self.grown.elapsed() >= self.idle_limit
            || self.is_replaced().await
    }

    /// Whether the name belongs to another file now, or to none. A disk that does not respond leaves
    /// that open.
    async fn is_replaced(&self) -> bool {
        match self.library.identity(&self.path).await {
            Ok(found) => !found.is_some_and(|found| found.same_file(self.file.identity())),
            Err(_unknown) => false,
        }
    }
}
