//! Sources that record reads, and that fail on demand.

use std::{
    future::poll_fn,
    io,
    ops::Range,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use actix_web::body::MessageBody;
use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use headwater::extent::{ReadError, Source};

/// The bytes of [`pattern`](crate::support::folder::pattern) between two offsets, however large.
pub fn pattern_at(range: Range<u64>) -> Vec<u8> {
    let byte = |offset: u64| (offset & !7).to_be_bytes()[usize::try_from(offset & 7).unwrap()];
    range.map(byte).collect()
}

/// How a source yields its bytes. The contract allows each of these.
#[derive(Clone, Copy, Debug)]
pub enum ReadMode {
    /// All requested bytes, without waiting.
    AtOnce,
    /// All requested bytes, but never without waiting.
    Waiting,
    /// At most this many bytes at a time, alternately without waiting and with.
    Partial(u64),
}

/// A fault at an offset.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Stalls until the test resumes it.
    Stalls(Arc<Gate>),
    /// The source ends.
    Ends,
    /// The disk reports an error.
    Io,
    /// The file was replaced.
    Changed,
    /// More bytes come than were requested.
    Overruns,
    /// The code panics.
    Panics,
}

/// Resumes a stalled source.
#[derive(Debug, Default)]
pub struct Gate {
    is_open: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl Gate {
    /// Resume.
    pub fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
        if let Some(waker) = self.waiting.lock().unwrap().take() {
            waker.wake();
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        *self.waiting.lock().unwrap() = Some(cx.waker().clone());
        match self.is_open.load(Ordering::SeqCst) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

/// A source of the pattern, of any length, that records its reads.
#[derive(Debug)]
pub struct TestSource {
    length: u64,
    mode: ReadMode,
    fault: Option<(u64, Fault)>,
    reads: Mutex<Vec<Range<u64>>>,
}

impl TestSource {
    /// One that works.
    pub fn new(length: u64, mode: ReadMode) -> Arc<Self> {
        Self::make(length, mode, None)
    }

    /// One that works up to an offset.
    pub fn failing(length: u64, mode: ReadMode, offset: u64, fault: Fault) -> Arc<Self> {
        Self::make(length, mode, Some((offset, fault)))
    }

    fn make(length: u64, mode: ReadMode, fault: Option<(u64, Fault)>) -> Arc<Self> {
        Arc::new(Self { length, mode, fault, reads: Mutex::default() })
    }

    /// The recorded reads, in order.
    pub fn reads(&self) -> Vec<Range<u64>> {
        self.reads.lock().unwrap().clone()
    }

    /// Whether bytes from this offset come without waiting.
    fn comes_at_once(&self, offset: u64) -> bool {
        let stalls = matches!(&self.fault, Some((at, Fault::Stalls(_))) if *at == offset);
        match self.mode {
            ReadMode::AtOnce => !stalls,
            ReadMode::Waiting => false,
            ReadMode::Partial(_) => !stalls && offset.is_multiple_of(2),
        }
    }

    fn take(&self, range: Range<u64>) -> Result<Bytes, ReadError> {
        assert!(
            range.start < range.end && range.end <= self.length,
            "a read of {range:?} of {}",
            self.length
        );
        self.reads.lock().unwrap().push(range.clone());
        let mut end = range.end;
        if let ReadMode::Partial(most) = self.mode {
            end = end.min(range.start + most);
        }
        match &self.fault {
            Some((at, fault)) if *at == range.start => match fault {
                Fault::Stalls(_) => {}
                Fault::Ends => return Ok(Bytes::new()),
                Fault::Io => return Err(io::Error::other("the disk is broken").into()),
                Fault::Changed => return Err(ReadError::Changed),
                Fault::Overruns => end = range.end + 1,
                Fault::Panics => panic!("a source that panics on purpose"),
            },
            // The bytes before the fault all come.
            Some((at, _)) if *at > range.start => end = end.min(*at),
            _ => {}
        }
        Ok(pattern_at(range.start..end).into())
    }
}

impl Source for TestSource {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_now(&self, range: Range<u64>) -> Result<Option<Bytes>, ReadError> {
        if !self.comes_at_once(range.start) {
            return Ok(None);
        }
        self.take(range).map(Some)
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        async move {
            if let Some((at, Fault::Stalls(is_open))) = &self.fault
                && *at == range.start
            {
                poll_fn(|cx| is_open.poll(cx)).await;
            }
            self.take(range)
        }
        .boxed()
    }
}

/// How a body ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum End {
    /// Normally.
    Finished,
    /// With an error, for this reason.
    Cut(&'static str),
    /// Not yet; it waits.
    Waiting,
}

/// Polls a body until it ends or waits, and returns its bytes.
pub fn drain<B: MessageBody<Error: 'static>>(body: &mut Pin<Box<B>>) -> (Vec<u8>, End) {
    let mut bytes = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match body.as_mut().poll_next(&mut cx) {
            Poll::Pending => return (bytes, End::Waiting),
            Poll::Ready(None) => return (bytes, End::Finished),
            Poll::Ready(Some(Ok(bytes_read))) => bytes.extend_from_slice(&bytes_read),
            Poll::Ready(Some(Err(error))) => {
                let error = error.into();
                let reason = error.downcast_ref::<ReadError>().map(ReadError::reason);
                return (bytes, End::Cut(reason.expect("an error of a source")));
            }
        }
    }
}
