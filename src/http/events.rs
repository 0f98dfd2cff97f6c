//! What changes, told to whoever listens.
//!
//! Each change of a job has a number, and a job keeps that of its last: so the jobs with greater
//! numbers than the last that somebody was told of are all that was missed, however long ago that was,
//! and nothing has to be kept for those who are away or slow. While somebody listens, one task asks the
//! database for all of them; while nobody does, nobody asks.
//!
//! Memory is bounded: [`LISTENERS_MAX`] listeners, to each of whom `AHEAD` events are on their way,
//! and `LIVE` events that all of them share. Who is slower than that is told from the database again,
//! of the last state of each job alone.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::Serialize;
use tokio::{
    runtime::Handle,
    sync::{
        Mutex, OwnedSemaphorePermit, Semaphore,
        broadcast::{self, error::RecvError},
        mpsc,
    },
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::Error;
use crate::{
    jobs::text::JobText,
    library::Library,
    queue::{Class, Job, Queue, QueueError},
    wire::drain::Drain,
};

/// How many may listen at a time.
pub const LISTENERS_MAX: usize = 256;

/// Events on their way to one listener.
const AHEAD: usize = 8;

/// Events that are kept for those who are about to take them.
const LIVE: usize = 256;

/// Jobs that are asked for at a time.
const PAGE: u32 = 100;

/// How often it is looked whether titles have changed, and whether anybody listens.
const TICK: Duration = Duration::from_secs(1);

/// How long a listener is told nothing at most: less than any proxy in between waits.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a listener is told first: how soon to ask again when the connection has ended, in ms.
const GREETING: &[u8] = b"retry: 2000\n\n";

/// The queue, and those who listen to what becomes of it.
pub struct Jobs {
    /// What is to be done.
    pub queue: Queue,
    hub: Arc<Hub>,
    places: Arc<Semaphore>,
    beside: Handle,
}

impl Jobs {
    /// Of a queue whose connections are served by the runtime `beside`.
    pub fn new(queue: Queue, library: Arc<Library>, beside: Handle, drain: Drain) -> Self {
        let (sender, _) = broadcast::channel(LIVE);
        let polling = Mutex::new(None);
        let hub = Arc::new(Hub { queue: queue.clone(), library, drain, sender, polling });
        let places = Arc::new(Semaphore::new(LISTENERS_MAX));
        Self { queue, hub, places, beside }
    }

    /// Begins to listen: to all changes after the one of this number, or to those from now on. The
    /// events come as they are sent.
    pub fn listen(&self, since: Option<i64>) -> Result<mpsc::Receiver<Bytes>, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Error::NotReady("too many listen already"))?;
        let (to, events) = mpsc::channel(AHEAD);
        self.beside.spawn(Arc::clone(&self.hub).tell(since, to, place));
        Ok(events)
    }
}

/// Where events come from.
struct Hub {
    queue: Queue,
    library: Arc<Library>,
    drain: Drain,
    sender: broadcast::Sender<Event>,
    /// The task that asks the database for all, while somebody listens.
    polling: Mutex<Option<JoinHandle<()>>>,
}

/// Something that has changed.
#[derive(Clone, Debug)]
struct Event {
    /// The number of the change; the library's have none.
    changed: Option<i64>,
    /// As it is sent.
    text: Bytes,
}

/// Why somebody is told no more.
enum Ended {
    /// The listener has gone.
    Gone,
    /// The database does not answer. The listener will ask again.
    Failed(QueueError),
}

impl From<QueueError> for Ended {
    fn from(error: QueueError) -> Self {
        Self::Failed(error)
    }
}

impl Hub {
    /// Tells one listener, until it goes or the server does.
    async fn tell(
        self: Arc<Self>,
        since: Option<i64>,
        to: mpsc::Sender<Bytes>,
        _place: OwnedSemaphorePermit,
    ) {
        tokio::select! {
            () = self.drain.clone().begun() => {}
            () = to.closed() => {}
            ended = self.tell_all(since, &to) => if let Err(Ended::Failed(error)) = ended {
                tracing::warn!(%error, "an event stream ends, because the database does not answer");
            }
        }
    }

    async fn tell_all(
        self: &Arc<Self>,
        since: Option<i64>,
        to: &mpsc::Sender<Bytes>,
    ) -> Result<(), Ended> {
        send(to, Bytes::from_static(GREETING)).await?;
        // Before it is asked what was missed, so that nothing falls in between.
        let (mut live, now) = self.subscribe().await?;
        // A number that is still to come is another database's.
        let mut last = since.map_or(now, |since| if since > now { 0 } else { since });
        self.catch_up(&mut last, to).await?;
        loop {
            let text = match timeout(HEARTBEAT, live.recv()).await {
                Err(_silence) => Bytes::from_static(b":\n\n"),
                Ok(Ok(Event { changed: None, text })) => text,
                Ok(Ok(Event { changed: Some(changed), text })) if changed > last => {
                    last = changed;
                    text
                }
                Ok(Ok(_known)) => continue,
                Ok(Err(RecvError::Lagged(_))) => {
                    self.catch_up(&mut last, to).await?;
                    // Titles may have changed among what was missed.
                    Event::titles(&self.library).text
                }
                Ok(Err(RecvError::Closed)) => return Ok(()),
            };
            send(to, text).await?;
        }
    }

    /// Tells what has changed after a change, and moves that forward.
    async fn catch_up(&self, last: &mut i64, to: &mpsc::Sender<Bytes>) -> Result<(), Ended> {
        loop {
            let jobs = self.queue.changed_since(*last, PAGE).await?;
            for job in &jobs {
                *last = job.changed;
                if is_shown(job) {
                    send(to, Event::job(job).text).await?;
                }
            }
            if jobs.len() < PAGE as usize {
                return Ok(());
            }
        }
    }

    /// Everything from now on, and the number of the last change before.
    async fn subscribe(self: &Arc<Self>) -> Result<(broadcast::Receiver<Event>, i64), QueueError> {
        let mut polling = self.polling.lock().await;
        let now = self.queue.last_change().await?;
        let live = self.sender.subscribe();
        if polling.as_ref().is_none_or(JoinHandle::is_finished) {
            *polling = Some(tokio::spawn(Arc::clone(self).poll(now)));
        }
        Ok((live, now))
    }

    /// Asks for all changes after this one, while somebody listens.
    async fn poll(self: Arc<Self>, mut last: i64) {
        let mut titles = self.library.catalog.changes();
        let mut is_behind = false;
        loop {
            if !is_behind {
                // Late or told of a change: what has come of it is asked for below.
                let _ = timeout(TICK, self.queue.wait_for_change(last)).await;
            }
            match self.queue.changed_since(last, PAGE).await {
                Ok(jobs) => {
                    is_behind = jobs.len() == PAGE as usize;
                    for job in &jobs {
                        last = job.changed;
                        if is_shown(job) {
                            // Nobody may listen any more.
                            let _ = self.sender.send(Event::job(job));
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "it is not known what has become of the jobs");
                    sleep(TICK).await;
                }
            }
            let changes = self.library.catalog.changes();
            if std::mem::replace(&mut titles, changes) != changes {
                let _ = self.sender.send(Event::titles(&self.library));
            }
            let mut polling = self.polling.lock().await;
            if self.sender.receiver_count() == 0 {
                *polling = None;
                return;
            }
        }
    }
}

impl Event {
    /// A job's last state.
    fn job(job: &Job) -> Self {
        let text = event("job", Some(job.changed), &JobText::from(job));
        Self { changed: Some(job.changed), text }
    }

    /// There are other titles than before.
    fn titles(library: &Library) -> Self {
        #[derive(Serialize)]
        struct Titles {
            titles: usize,
            scanning: bool,
        }
        let (titles, scanning) = (library.catalog.len(), library.catalog.is_scanning());
        Self { changed: None, text: event("titles", None, &Titles { titles, scanning }) }
    }
}

/// An event as it is sent. JSON has no line ends of its own, so that its text is one line.
fn event(name: &str, id: Option<i64>, data: &impl Serialize) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    let data = serde_json::to_string(data).expect("text and numbers");
    format!("{id}event: {name}\ndata: {data}\n\n").into()
}

/// Whether a job is people's business: that others are told of it is not.
pub fn is_shown(job: &Job) -> bool {
    job.class != Class::Webhook
}

async fn send(to: &mpsc::Sender<Bytes>, text: Bytes) -> Result<(), Ended> {
    to.send(text).await.map_err(|_| Ended::Gone)
}
