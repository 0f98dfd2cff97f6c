//! Requests: their number, duration and time to the first byte, by route and status class.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use super::{Histogram, Metrics};
use crate::named::named;

named! {
    /// A class of URLs.
    Route {
        /// The page and its assets.
        Page = "page",
        /// The API, without its event streams.
        Api = "api",
        /// Streams of events, which have no end.
        Events = "events",
        /// Files as they are on the disk, also while they grow.
        File = "file",
        /// Titles as one MP4.
        Progressive = "progressive",
        /// Playlists and manifests.
        Manifest = "manifest",
        /// Segments of video and audio.
        Segment = "segment",
        /// Subtitles and chapters.
        Text = "text",
        /// Posters, thumbnails, storyboards and previews.
        Image = "image",
        /// Reports on titles.
        Inspect = "inspect",
        /// Health, readiness and metrics.
        Operations = "operations",
        /// All else, which is not found.
        Other = "other",
    }
}

/// The classes of status codes.
const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Bounds of whole responses, of which some take hours, in microseconds.
const DURATION_BOUNDS_US: [u64; 12] = [
    1_000,
    5_000,
    10_000,
    50_000,
    100_000,
    500_000,
    1_000_000,
    5_000_000,
    10_000_000,
    60_000_000,
    600_000_000,
    3_600_000_000,
];

/// Bounds of the time to the first byte, in microseconds.
const FIRST_BYTE_BOUNDS_US: [u64; 12] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 2_500_000,
    10_000_000,
];

/// The requests of all routes.
#[derive(Debug)]
pub(super) struct Requests {
    /// By route, then by status class.
    responses: Box<[Responses]>,
    pub(super) in_flight: AtomicI64,
}

/// The responses of one route and status class.
#[derive(Debug)]
pub(super) struct Responses {
    pub(super) begun: AtomicU64,
    pub(super) duration: Histogram,
    pub(super) first_byte: Histogram,
}

impl Default for Requests {
    fn default() -> Self {
        let responses = || Responses {
            begun: AtomicU64::default(),
            duration: Histogram::new(&DURATION_BOUNDS_US),
            first_byte: Histogram::new(&FIRST_BYTE_BOUNDS_US),
        };
        let count = Route::ALL.len() * STATUS_CLASSES.len();
        Self {
            responses: (0..count).map(|_| responses()).collect(),
            in_flight: AtomicI64::default(),
        }
    }
}

impl Requests {
    fn responses(&self, route: Route, status: u16) -> &Responses {
        let class = usize::from(status / 100).clamp(1, STATUS_CLASSES.len()) - 1;
        &self.responses[route as usize * STATUS_CLASSES.len() + class]
    }

    /// What had a response, with the labels of route and status class.
    pub(super) fn counted(&self) -> Vec<([(&'static str, &'static str); 2], &Responses)> {
        let routes = Route::ALL.iter();
        let labels = routes.flat_map(|route| {
            STATUS_CLASSES.map(|class| [("route", route.as_str()), ("status", class)])
        });
        let all = labels.zip(&self.responses);
        all.filter(|(_, responses)| responses.begun.load(Ordering::Relaxed) > 0).collect()
    }
}

/// Measures one request from its head to the end of its response, which is the drop.
#[derive(Debug)]
pub struct RequestTimer {
    metrics: Metrics,
    route: Route,
    began: Instant,
    first_byte: Option<Duration>,
    /// 0 until the response begins.
    status: u16,
}

impl RequestTimer {
    pub(super) fn start(metrics: Metrics, route: Route) -> Self {
        metrics.0.requests.in_flight.fetch_add(1, Ordering::Relaxed);
        Self { metrics, route, began: Instant::now(), first_byte: None, status: 0 }
    }

    /// The metrics that the request counts in.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Counts the response, whose status is known.
    pub fn set_status(&mut self, status: u16) {
        self.status = status;
        let responses = self.metrics.0.requests.responses(self.route, status);
        responses.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that the connection has accepted bytes of the body.
    pub fn note_bytes(&mut self) {
        if self.first_byte.is_none() {
            self.first_byte = Some(self.began.elapsed());
        }
    }
}

impl Drop for RequestTimer {
    fn drop(&mut self) {
        let requests = &self.metrics.0.requests;
        requests.in_flight.fetch_sub(1, Ordering::Relaxed);
        // Without a status the client has gone before the response.
        if self.status > 0 {
            let responses = requests.responses(self.route, self.status);
            let duration = self.began.elapsed();
            responses.duration.observe(duration);
            responses.first_byte.observe(self.first_byte.unwrap_or(duration));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_under_its_route_and_status_class() {
        let metrics = Metrics::default();
        let mut timer = metrics.begin_request(Route::Segment);
        assert_eq!(metrics.0.requests.in_flight.load(Ordering::Relaxed), 1);
        timer.set_status(206);
        timer.note_bytes();
        drop(timer);
        drop(metrics.begin_request(Route::Page));
        let counted = metrics.0.requests.counted();
        let [(labels, responses)] = &counted[..] else { panic!("{counted:?}") };
        assert_eq!(*labels, [("route", "segment"), ("status", "2xx")]);
        assert_eq!(responses.duration.counted().count, 1);
        assert_eq!(responses.first_byte.counted().count, 1);
        assert_eq!(metrics.0.requests.in_flight.load(Ordering::Relaxed), 0);
    }
}
