//! Writes lines to a file or a pipe, and never makes the caller wait.
//!
//! A pipe takes 64 KiB; when its reader stalls (a log driver, a pager), the next write waits for as long as
//! the reader likes, and so does a write to a disk that hangs. A thread of its own does the writing here.
//! Lines wait for it in a queue of limited size; what does not fit is dropped and counted. A channel, such
//! as that of tracing-appender, limits the number of lines, but not their length.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use prometheus_client::metrics::counter::Counter;

/// The most bytes of several lines in one write: a pipe takes so many as a whole (`PIPE_BUF`), and other
/// processes may write lines to the same pipe.
const PIECE_BYTES_MAX: usize = 4096;

/// Capacity that an empty queue keeps, in bytes.
const KEPT_BYTES: usize = 64 << 10;

/// Delay before another try where the target is full and does not wait itself (O_NONBLOCK).
const FULL_RETRY: Duration = Duration::from_millis(10);

/// A writer's messages about itself. Both come from its thread.
pub trait Notices: Send + 'static {
    /// So many lines were dropped since the last call, and the target takes lines again. Returns what to
    /// write to the target at this place: whole lines, or nothing.
    fn dropped(&mut self, lines: u64) -> String;

    /// A write failed. Called once until one succeeds.
    fn failed(&mut self, error: &io::Error);
}

/// A writer of lines. Clones share the queue.
#[derive(Clone, Debug)]
pub struct LineWriter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Held to copy lines, and never while they are written; hence a plain mutex.
    queue: Mutex<Queue>,
    /// There are lines to write, or there will be none.
    filled: Condvar,
    /// All lines are written.
    emptied: Condvar,
    bytes_max: usize,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct Queue {
    /// Whole lines.
    bytes: Vec<u8>,
    /// The number of bytes that the thread has taken and not written yet.
    writing: usize,
    /// Lines that were dropped since the thread took the last ones. While it is not 0, all are, so that the
    /// notice of the drop stands in their place.
    dropped: u64,
    /// Callers that wait for the last line to be written.
    waiting: usize,
    /// A caller has waited in vain, and no line was written since.
    is_stuck: bool,
    /// The thread ends when it has written the queue.
    is_closed: bool,
}

impl LineWriter {
    /// Starts the thread, which gets this name. `dropped` counts lines that were dropped or could not be
    /// written.
    pub fn start(
        name: &str,
        target: impl Write + Send + 'static,
        bytes_max: usize,
        dropped: Counter,
        notices: impl Notices,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            bytes_max,
            dropped,
        });
        let writing = Arc::clone(&shared);
        let run = move || {
            Thread { target, notices, lost: 0, is_torn: false, failed: false }.run(&writing)
        };
        thread::Builder::new().name(name.into()).spawn(run)?;
        Ok(Self(shared))
    }

    /// Queues whole lines, or drops them.
    pub fn write_lines(&self, lines: &[u8]) {
        let mut queue = self.0.lock();
        if queue.is_closed {
            return;
        }
        let is_full = queue.bytes.len() + queue.writing + lines.len() > self.0.bytes_max;
        let is_idle = queue.bytes.is_empty() && queue.dropped == 0;
        if is_full || queue.dropped > 0 {
            let count = count_lines(lines);
            queue.dropped += count;
            self.0.dropped.inc_by(count);
        } else {
            queue.bytes.extend_from_slice(lines);
        }
        drop(queue);
        if is_idle {
            self.0.filled.notify_one();
        }
    }

    /// Waits until all lines are written, for `timeout` at most; not at all if a caller has waited in vain
    /// and nothing was written since.
    pub fn flush(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut queue = self.0.lock();
        queue.waiting += 1;
        while queue.is_unwritten() && !queue.is_stuck {
            let left = deadline.saturating_duration_since(Instant::now());
            queue.is_stuck = left.is_zero();
            let waited = self.0.emptied.wait_timeout(queue, left);
            (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        queue.waiting -= 1;
    }

    /// Takes no more lines. The thread ends when it has written the queue.
    pub fn close(&self) {
        self.0.lock().is_closed = true;
        self.0.filled.notify_one();
    }
}

impl Write for LineWriter {
    /// Takes all bytes, which are whole lines.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.write_lines(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Queue {
    fn is_unwritten(&self) -> bool {
        !self.bytes.is_empty() || self.writing > 0 || self.dropped > 0
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing under the lock panics half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines, and takes all of them, with the number of those dropped behind them. `None`: the
    /// writer is closed and has no more. Returns the memory of the `written` lines to the queue.
    fn take(&self, mut written: Vec<u8>) -> Option<(Vec<u8>, u64)> {
        let mut queue = self.lock();
        queue.writing = 0;
        if queue.waiting > 0 && !queue.is_unwritten() {
            self.emptied.notify_all();
        }
        while queue.bytes.is_empty() && queue.dropped == 0 {
            if queue.is_closed {
                return None;
            }
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        written.clear();
        written.shrink_to(KEPT_BYTES);
        let lines = std::mem::replace(&mut queue.bytes, written);
        // At least 1: a thread that waits, waits for the notice of dropped lines too.
        queue.writing = lines.len().max(1);
        Some((lines, std::mem::take(&mut queue.dropped)))
    }
}

/// The thread that writes.
struct Thread<W, N> {
    target: W,
    notices: N,
    /// Lines that were dropped or could not be written, and were not reported yet.
    lost: u64,
    /// The last write ended in the middle of a line.
    is_torn: bool,
    /// The last write failed.
    failed: bool,
}

impl<W: Write, N: Notices> Thread<W, N> {
    fn run(mut self, shared: &Shared) {
        let mut written = Vec::new();
        while let Some((lines, dropped)) = shared.take(written) {
            let mut rest = &lines[..];
            while !rest.is_empty() {
                let (piece, others) = rest.split_at(piece_length(rest));
                self.write(piece, shared);
                rest = others;
            }
            self.lost += dropped;
            if self.lost > 0 && !self.failed {
                let notice = self.notices.dropped(std::mem::take(&mut self.lost));
                self.write(notice.as_bytes(), shared);
            }
            written = lines;
        }
    }

    fn write(&mut self, lines: &[u8], shared: &Shared) {
        let ended = if self.is_torn { self.write_all(b"\n") } else { Ok(()) };
        self.is_torn &= ended.is_err();
        match ended.map_err(|(_, error)| (0, error)).and_then(|()| self.write_all(lines)) {
            Ok(()) => {
                self.failed = false;
                shared.lock().is_stuck = false;
            }
            Err((written, error)) => {
                let lost = count_lines(&lines[written..]);
                self.lost += lost;
                shared.dropped.inc_by(lost);
                self.is_torn |= written > 0 && lines[written - 1] != b'\n';
                if !std::mem::replace(&mut self.failed, true) {
                    self.notices.failed(&error);
                }
            }
        }
    }

    /// Writes all bytes; an error has the number of those written.
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        let mut written = 0;
        while written < bytes.len() {
            match self.target.write(&bytes[written..]) {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(length) => written += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(FULL_RETRY)
                }
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }
}

/// The length of the next piece to write: as many whole lines as fit, and one at least.
fn piece_length(lines: &[u8]) -> usize {
    let first = &lines[..lines.len().min(PIECE_BYTES_MAX)];
    let end = memchr::memrchr(b'\n', first).or_else(|| memchr::memchr(b'\n', lines));
    end.map_or(lines.len(), |end| end + 1)
}

fn count_lines(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const WAIT: Duration = Duration::from_secs(60);

    /// A target whose writes wait for the test, and have the result that it gives.
    struct Target {
        begun: Sender<String>,
        results: Receiver<io::Result<usize>>,
    }

    /// The test's end of a target.
    struct Reader {
        begun: Receiver<String>,
        results: Sender<io::Result<usize>>,
    }

    impl Write for Target {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.begun.send(String::from_utf8_lossy(bytes).into_owned()).expect("a reader");
            let result = self.results.recv().unwrap_or(Ok(bytes.len()));
            result.map(|length| length.min(bytes.len()))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Reader {
        /// The write that has begun.
        fn begun(&self) -> String {
            self.begun.recv_timeout(WAIT).expect("a write")
        }

        fn end(&self, result: io::Result<usize>) {
            self.results.send(result).expect("a writer");
        }

        fn read(&self) -> String {
            let begun = self.begun();
            self.end(Ok(usize::MAX));
            begun
        }
    }

    struct Test(Sender<String>);

    impl Notices for Test {
        fn dropped(&mut self, lines: u64) -> String {
            format!("{lines} dropped\n")
        }

        fn failed(&mut self, error: &io::Error) {
            let _ = self.0.send(error.to_string());
        }
    }

    fn writer(bytes_max: usize) -> (LineWriter, Reader, Counter, Receiver<String>) {
        let (begin, begun) = channel();
        let (results, target_results) = channel();
        let (failures, failed) = channel();
        let target = Target { begun: begin, results: target_results };
        let dropped = Counter::default();
        let writer = LineWriter::start("test", target, bytes_max, dropped.clone(), Test(failures));
        (writer.expect("a thread"), Reader { begun, results }, dropped, failed)
    }

    #[test]
    fn lines_beyond_the_limit_are_dropped_counted_and_reported_in_their_place() {
        let (writer, reader, dropped, _) = writer(10);
        writer.write_lines(b"one\n");
        assert_eq!(reader.begun(), "one\n");
        // The reader is stuck with four bytes, and six are left.
        writer.write_lines(b"two\n");
        writer.write_lines(b"three\nfour\n");
        writer.write_lines(b"5\n");
        assert_eq!(dropped.get(), 3, "nothing is queued behind a dropped line");
        reader.end(Ok(usize::MAX));
        assert_eq!(reader.read(), "two\n");
        assert_eq!(reader.read(), "3 dropped\n");
        writer.write_lines(b"six\n");
        assert_eq!(reader.read(), "six\n");
        assert_eq!(dropped.get(), 3);
    }

    #[test]
    fn drops_are_reported_although_no_line_follows() {
        let (writer, reader, _, _) = writer(4);
        writer.write_lines(b"one\n");
        reader.begun();
        writer.write_lines(b"two\n");
        reader.end(Ok(usize::MAX));
        assert_eq!(reader.read(), "1 dropped\n");
        writer.flush(WAIT);
    }

    #[test]
    fn a_target_that_fails_is_reported_once_and_its_lines_count_as_dropped() {
        let (writer, reader, dropped, failed) = writer(100);
        for number in 0..3 {
            writer.write_lines(b"line\n");
            reader.begun();
            // The first write ends in the middle of a line.
            if number == 0 {
                reader.end(Ok(2));
                reader.begun();
            }
            reader.end(Err(io::Error::other("full")));
        }
        writer.write_lines(b"line\n");
        assert_eq!(reader.read(), "\n", "the torn line ends");
        assert_eq!(reader.read(), "line\n");
        assert_eq!(reader.read(), "3 dropped\n");
        writer.close();
        writer.flush(WAIT);
        assert_eq!(dropped.get(), 3);
        assert_eq!(failed.try_iter().collect::<Vec<_>>(), ["full"]);
    }

    #[test]
    fn a_flush_waits_for_the_last_line_and_only_once_for_a_reader_that_is_stuck() {
        let (writer, Reader { begun, results }, _, _) = writer(100);
        writer.write_lines(b"one\n");
        writer.flush(Duration::ZERO);
        // Would wait for a minute.
        writer.flush(WAIT);
        assert_eq!(begun.recv_timeout(WAIT).expect("a write"), "one\n");
        // From here on, the target takes everything.
        drop(results);
        while writer.0.lock().is_stuck {
            thread::yield_now();
        }
        writer.write_lines(b"two\n");
        writer.close();
        writer.flush(WAIT);
        assert_eq!(begun.try_recv().expect("written before the flush returned"), "two\n");
    }

    #[test]
    fn a_pipe_gets_pieces_that_it_takes_as_a_whole() {
        let line = |length: usize| "x".repeat(length - 1) + "\n";
        let lengths = |lines: &str| {
            let (mut rest, mut lengths) = (lines.as_bytes(), Vec::new());
            while !rest.is_empty() {
                lengths.push(piece_length(rest));
                rest = &rest[piece_length(rest)..];
            }
            lengths
        };
        assert_eq!(lengths(&line(1000).repeat(9)), [4000, 4000, 1000]);
        assert_eq!(lengths(&(line(10) + &line(9000) + &line(10))), [10, 9000, 10]);
        assert_eq!(lengths(&line(PIECE_BYTES_MAX)), [PIECE_BYTES_MAX]);
        assert_eq!(lengths("no end"), [6]);
    }
}
