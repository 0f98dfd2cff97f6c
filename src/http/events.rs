//! Events: changes of jobs and of the library, as a stream for each subscriber.
//!
//! Each change of a job has a number, and a job keeps the number of its last change. So the jobs with
//! a greater number than the last that a subscriber received are exactly those that it missed, however
//! long it was away, and the server buffers nothing for absent or slow subscribers. One task polls the
//! database for all subscribers; without subscribers, no task runs.
//!
//! Changes of titles have numbers of their own, those of this server's catalog, which remembers the last few: a
//! subscriber that may have missed more reads the list again.
//!
//! Memory is bounded: [`SUBSCRIBERS_MAX`] subscribers with `QUEUE_EVENTS` unsent events each, and
//! `BROADCAST_EVENTS` events that all share. A subscriber that lags behind those reads the database
//! again, and receives the last state of each job only.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde::Serialize;
use tokio::{
    runtime::Handle,
    sync::{
        broadcast::{self, error::RecvError},
        mpsc,
    },
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{Error, title_item::Item};
use crate::{
    jobs::text::JobText,
    library::{Library, MediaPath, catalog::Changes},
    queue::{Class, Job, Queue, QueueError},
    shares::{ClientKey, REVOKED, Share, Shares},
    telemetry::Metrics,
    wire::drain::Drain,
};

/// The label of subscribers in metrics.
const RESOURCE: &str = "events";

/// The most subscribers at a time. When all places are taken, a client with fewer takes one of the client
/// that has most, whose stream ends; the client may reconnect and misses nothing.
pub const SUBSCRIBERS_MAX: usize = 256;

/// The most unsent events of one subscriber.
const QUEUE_EVENTS: usize = 8;

/// Events that the broadcast channel keeps for all subscribers.
const BROADCAST_EVENTS: usize = 256;

/// Jobs in one read of the database.
const PAGE: u32 = 100;

/// The interval at which the poller checks for changed titles, and for subscribers: their changes in that time
/// are one event.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The longest silence of a stream: less than the idle timeout of common proxies.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);

/// The first line of a stream: how soon a client reconnects, in ms.
const GREETING: &[u8] = b"retry: 2000\n\n";

/// The queue, and the subscribers to its changes.
pub struct Jobs {
    /// The queue.
    pub queue: Queue,
    hub: Arc<Hub>,
    places: Shares,
    background: Handle,
}

impl Jobs {
    /// Events of this queue and library. The runtime `background` serves the queue's connections.
    pub fn new(
        queue: Queue,
        library: Arc<Library>,
        background: Handle,
        drain: Drain,
        metrics: Metrics,
    ) -> Self {
        let (sender, _) = broadcast::channel(BROADCAST_EVENTS);
        let poller = Mutex::new(None);
        let hub = Arc::new(Hub { queue: queue.clone(), library, drain, metrics, sender, poller });
        Self { queue, hub, places: Shares::new(SUBSCRIBERS_MAX, 0), background }
    }

    /// Subscribes to all changes after these. The receiver gets events as they are sent.
    pub fn subscribe(&self, since: Since) -> Result<mpsc::Receiver<Bytes>, Error> {
        let place = self.places.take(ClientKey::current()).map_err(|refused| {
            self.hub.metrics.refused(RESOURCE, refused.reason());
            Error::NotReady("too many event streams, retry later")
        })?;
        let (subscriber, events) = mpsc::channel(QUEUE_EVENTS);
        self.background.spawn(Arc::clone(&self.hub).serve(since, subscriber, place));
        Ok(events)
    }
}

/// The source of all events.
struct Hub {
    queue: Queue,
    library: Arc<Library>,
    drain: Drain,
    metrics: Metrics,
    sender: broadcast::Sender<Event>,
    /// The task that polls the database, while there are subscribers.
    poller: Mutex<Option<JoinHandle<()>>>,
}

/// The last changes that a subscriber knows; `None` for those from now on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Since {
    /// The number of the last change of a job.
    pub job: Option<i64>,
    /// The number of the last change of titles, which a list of titles has.
    pub titles: Option<u64>,
}

/// One event.
#[derive(Clone, Debug)]
struct Event {
    /// The number of a job's change; a change of the library has none.
    changed: Option<i64>,
    /// The event in the format of the stream.
    text: Bytes,
}

/// The reason for the end of a stream.
enum Ended {
    /// The subscriber closed it.
    Closed,
    /// The database does not respond. The client reconnects.
    Failed(QueueError),
}

impl From<QueueError> for Ended {
    fn from(error: QueueError) -> Self {
        Self::Failed(error)
    }
}

impl Hub {
    /// Serves one subscriber until it closes the stream, another client needs its place, or the server shuts
    /// down.
    async fn serve(
        self: Arc<Self>,
        since: Since,
        subscriber: mpsc::Sender<Bytes>,
        mut place: Share,
    ) {
        tokio::select! {
            () = self.drain.clone().begun() => {}
            () = subscriber.closed() => {}
            () = place.revoked() => self.metrics.refused(RESOURCE, REVOKED),
            ended = self.send_all(since, &subscriber) => if let Err(Ended::Failed(error)) = ended {
                tracing::warn!(%error, "event stream ended: database unavailable");
            }
        }
    }

    async fn send_all(
        self: &Arc<Self>,
        since: Since,
        subscriber: &mpsc::Sender<Bytes>,
    ) -> Result<(), Ended> {
        send(subscriber, Bytes::from_static(GREETING)).await?;
        // Before the catch-up reads the database, so that no change is lost between the two.
        let (mut broadcast, now) = self.join_broadcast().await?;
        // A greater number than the last one belongs to another database.
        let mut last = since.job.map_or(now, |since| if since > now { 0 } else { since });
        self.catch_up(&mut last, subscriber).await?;
        if let Some(titles) =
            since.titles.filter(|titles| *titles != self.library.catalog.changes())
        {
            let (changes, _) = self.library.catalog.changes_since(titles);
            send(subscriber, Event::titles(&changes).text).await?;
        }
        loop {
            let text = match timeout(HEARTBEAT_INTERVAL, broadcast.recv()).await {
                Err(_silence) => Bytes::from_static(b":\n\n"),
                Ok(Ok(Event { changed: None, text })) => text,
                Ok(Ok(Event { changed: Some(changed), text })) if changed > last => {
                    last = changed;
                    text
                }
                Ok(Ok(_already_sent)) => continue,
                Ok(Err(RecvError::Lagged(_))) => {
                    self.catch_up(&mut last, subscriber).await?;
                    // The missed events may include a change of the titles.
                    Event::titles(&Changes::Many).text
                }
                Ok(Err(RecvError::Closed)) => return Ok(()),
            };
            send(subscriber, text).await?;
        }
    }

    /// Sends the jobs that changed after the change `last`, and advances that number.
    async fn catch_up(
        &self,
        last: &mut i64,
        subscriber: &mpsc::Sender<Bytes>,
    ) -> Result<(), Ended> {
        loop {
            let jobs = self.queue.changed_since(*last, PAGE).await?;
            for job in &jobs {
                *last = job.changed;
                if is_visible(job) {
                    send(subscriber, Event::job(job).text).await?;
                }
            }
            if jobs.len() < PAGE as usize {
                return Ok(());
            }
        }
    }

    /// Subscribes to all events from now on. Returns the receiver and the number of the last change before.
    async fn join_broadcast(
        self: &Arc<Self>,
    ) -> Result<(broadcast::Receiver<Event>, i64), QueueError> {
        // First of all: with a receiver, a poller that runs goes on. It, or the new one, broadcasts each change
        // that it finds later, and the catch-up sends what others have found meanwhile.
        let receiver = self.sender.subscribe();
        let now = self.queue.last_change().await?;
        let mut poller = self.poller();
        if poller.as_ref().is_none_or(JoinHandle::is_finished) {
            *poller = Some(tokio::spawn(Arc::clone(self).poll(now)));
        }
        Ok((receiver, now))
    }

    fn poller(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.poller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Broadcasts all changes after the change `last`, while there are subscribers.
    async fn poll(self: Arc<Self>, mut last: i64) {
        let mut titles = self.library.catalog.changes();
        let mut titles_checked = Instant::now();
        let mut is_behind = false;
        loop {
            if !is_behind {
                // After a timeout and a notification alike, the read below finds the changes.
                let _ = timeout(POLL_INTERVAL, self.queue.wait_for_change(last)).await;
            }
            match self.queue.changed_since(last, PAGE).await {
                Ok(jobs) => {
                    is_behind = jobs.len() == PAGE as usize;
                    for job in &jobs {
                        last = job.changed;
                        if is_visible(job) {
                            // Fails if the last subscriber has just gone.
                            let _ = self.sender.send(Event::job(job));
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "events delayed: database unavailable");
                    sleep(POLL_INTERVAL).await;
                }
            }
            if titles_checked.elapsed() >= POLL_INTERVAL && self.library.catalog.changes() != titles
            {
                titles_checked = Instant::now();
                let changes;
                (changes, titles) = self.library.catalog.changes_since(titles);
                let _ = self.sender.send(Event::titles(&changes));
            }
            let mut poller = self.poller();
            if self.sender.receiver_count() == 0 {
                *poller = None;
                return;
            }
        }
    }
}

impl Event {
    /// The last state of a job.
    fn job(job: &Job) -> Self {
        let text = format_event("job", Some(job.changed), &JobText::from(job));
        Self { changed: Some(job.changed), text }
    }

    /// Titles have changed.
    fn titles(changes: &Changes) -> Self {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Titles {
            These { added: Vec<Item>, changed: Vec<Item>, removed: Vec<String> },
            All { all: bool },
        }
        let titles = match changes {
            Changes::Known { added, changed, removed } => Titles::These {
                added: added.iter().map(Item::from).collect(),
                changed: changed.iter().map(Item::from).collect(),
                removed: removed.iter().map(MediaPath::display).collect(),
            },
            Changes::Many => Titles::All { all: true },
        };
        Self { changed: None, text: format_event("titles", None, &titles) }
    }
}

/// An event in the format of a stream. Compact JSON has no line breaks, so one `data` line is enough.
fn format_event(name: &str, id: Option<i64>, data: &impl Serialize) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    let data = serde_json::to_string(data).expect("text and numbers");
    format!("{id}event: {name}\ndata: {data}\n\n").into()
}

/// Whether clients see a job: webhook deliveries are internal.
pub fn is_visible(job: &Job) -> bool {
    job.class != Class::Webhook
}

async fn send(subscriber: &mpsc::Sender<Bytes>, text: Bytes) -> Result<(), Ended> {
    subscriber.send(text).await.map_err(|_| Ended::Closed)
}
