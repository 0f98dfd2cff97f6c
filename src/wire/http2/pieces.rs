//! The bytes of a body, in large pieces.
//!
//! A range of a file in the page cache is a piece that the kernel sends. Anything else is read, and one read
//! serves several frames: a piece is up to 64 KiB at an offset that is a multiple of that, and h2 cuts frames
//! from it. Short extents, as those of a movie's samples, are joined to one piece.

use std::{ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;

use super::piece::Piece;
use crate::extent::{Extent, Extents, File, ReadError, Source, disk::BUFFER_BYTES};

/// The largest piece, in bytes, which is also the alignment of pieces in a source.
const PIECE_BYTES_MAX: u64 = BUFFER_BYTES as u64;

/// A shorter read is joined with the bytes behind it.
const JOINED_BELOW_BYTES: usize = 16 * 1024;

/// The bytes after which the rest of a body is announced again.
const ANNOUNCED_EVERY_BYTES: u64 = 512 * 1024;

/// From this length on, in bytes, a range of a file is sent by the kernel. Each takes a frame of its own and
/// two calls: 4 KiB are cheaper to copy.
const FILE_MIN_BYTES: u64 = 8 * 1024;

/// The rest of a body.
pub(super) struct Pieces {
    extents: Extents,
    /// The number of the current extent.
    current: usize,
    /// The bytes of the current extent that were taken.
    taken: u64,
    /// All bytes that were taken.
    position: u64,
    /// The position from which the rest is announced again.
    announce_at: u64,
}

/// The next piece.
pub(super) enum NextPiece {
    /// Some bytes.
    Ready(Piece),
    /// The disk pool must read it; [`Pieces::accept`] takes the result.
    Waits(BoxFuture<'static, Result<Bytes, ReadError>>),
}

impl Pieces {
    pub(super) fn new(extents: Extents) -> Self {
        Self { extents, current: 0, taken: 0, position: 0, announce_at: 0 }
    }

    /// The number of bytes that were not taken yet.
    pub(super) fn remaining(&self) -> u64 {
        self.extents.len() - self.position
    }

    /// Takes the next piece of at most `max` bytes, without waiting. There must be bytes left. `sends_file`:
    /// whether the kernel can send this range of a file.
    pub(super) fn next(
        &mut self,
        max: usize,
        sends_file: impl FnOnce(&File, &Range<u64>) -> bool,
    ) -> Result<NextPiece, ReadError> {
        if let Some(piece) = self.file_piece(max, sends_file) {
            return Ok(NextPiece::Ready(piece));
        }
        self.read_next(max)
    }

    /// The next piece, if the kernel can send it.
    fn file_piece(
        &mut self,
        max: usize,
        sends_file: impl FnOnce(&File, &Range<u64>) -> bool,
    ) -> Option<Piece> {
        let Extent::Source { source, range } = self.extents.get(self.current)? else {
            return None;
        };
        let start = range.start + self.taken;
        let range = start..range.end.min(start.saturating_add(max as u64));
        let length = range.end - range.start;
        let file = source.as_file().filter(|_| length >= FILE_MIN_BYTES)?;
        if !sends_file(file, &range) {
            return None;
        }
        let source = Arc::clone(source);
        self.advance(length);
        Some(Piece::File { source, range })
    }

    /// Reads the next piece of at most `max` bytes, without waiting.
    fn read_next(&mut self, max: usize) -> Result<NextPiece, ReadError> {
        let mut joined: Option<(BytesMut, u64)> = None;
        let memory = |(bytes, copied)| NextPiece::Ready(Piece::Memory { bytes, copied });
        loop {
            let so_far = joined.as_ref().map_or(0, |(bytes, _)| bytes.len());
            let room = (max as u64).min(PIECE_BYTES_MAX) - so_far as u64;
            let is_over = room == 0 || self.remaining() == 0;
            let next = if is_over { Ok(None) } else { self.read_now(room) };
            let (read, copied) = match (next, joined.take()) {
                (Ok(Some(read)), None) => read,
                (Ok(Some((read, more))), Some((mut bytes, copied))) => {
                    bytes.extend_from_slice(&read);
                    joined = Some((bytes, copied + more));
                    continue;
                }
                // An error or a wait concerns the next piece.
                (_, Some((bytes, copied))) => return Ok(memory((bytes.freeze(), copied))),
                (Err(error), None) => return Err(error),
                (Ok(None), None) => return Ok(NextPiece::Waits(self.read())),
            };
            let is_last = self.remaining() == 0 || read.len() as u64 == room;
            if read.len() >= JOINED_BELOW_BYTES || is_last {
                return Ok(memory((read, copied)));
            }
            let capacity = self.remaining().saturating_add(read.len() as u64).min(room);
            let capacity = usize::try_from(capacity).expect("a piece is short");
            let mut bytes = BytesMut::with_capacity(capacity);
            bytes.extend_from_slice(&read);
            joined = Some((bytes, copied));
        }
    }

    /// Takes the result of a read that was waited for. Copies it, because the connection may have to wait
    /// for its client, but a buffer of the pool must not.
    pub(super) fn accept(&mut self, read: Result<Bytes, ReadError>) -> Result<Piece, ReadError> {
        let bytes = read?;
        let max = self.range().map_or(0, |(_, range)| range.end - range.start);
        self.take(bytes.len() as u64, max)?;
        Ok(Piece::Memory { copied: bytes.len() as u64, bytes: Bytes::copy_from_slice(&bytes) })
    }

    /// Reads at most `max` bytes of the current extent without waiting, and says how many of them were read
    /// from a source; `None` if the first would wait.
    fn read_now(&mut self, max: u64) -> Result<Option<(Bytes, u64)>, ReadError> {
        if let Some(Extent::Memory(bytes)) = self.extents.get(self.current) {
            let start = usize::try_from(self.taken).expect("it is in memory");
            let length = usize::try_from(max).unwrap_or(usize::MAX).min(bytes.len() - start);
            let bytes = bytes.slice(start..start + length);
            self.take(length as u64, max)?;
            return Ok(Some((bytes, 0)));
        }
        let (source, mut range) = self.range().expect("there are bytes left");
        range.end = range.end.min(range.start.saturating_add(max));
        let max = range.end - range.start;
        let is_in_memory = source.as_gathered().is_some();
        let Some(bytes) = source.read_now(range)? else {
            return Ok(None);
        };
        let length = bytes.len() as u64;
        self.take(length, max)?;
        Ok(Some((bytes, if is_in_memory { 0 } else { length })))
    }

    /// Starts to read the next piece in the disk pool.
    fn read(&self) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        let (source, range) = self.range().expect("only a source waits");
        Arc::clone(source).read(range)
    }

    /// The rest of the current extent up to the next aligned offset, unless that is near.
    fn range(&self) -> Option<(&Arc<dyn Source>, Range<u64>)> {
        let Extent::Source { source, range } = self.extents.get(self.current)? else {
            return None;
        };
        let start = range.start + self.taken;
        let mut end = (start / PIECE_BYTES_MAX + 1).saturating_mul(PIECE_BYTES_MAX);
        if end - start < JOINED_BELOW_BYTES as u64 {
            // Such as the byte behind a window of 65,535 bytes.
            end = end.saturating_add(PIECE_BYTES_MAX - JOINED_BELOW_BYTES as u64);
        }
        Some((source, start..range.end.min(end)))
    }

    /// Advances past bytes of the current extent, of which `max` were asked for.
    fn take(&mut self, bytes: u64, max: u64) -> Result<(), ReadError> {
        if bytes == 0 || bytes > max {
            // The source breaks its contract.
            return Err(ReadError::Truncated);
        }
        self.advance(bytes);
        Ok(())
    }

    fn advance(&mut self, bytes: u64) {
        (self.taken, self.position) = (self.taken + bytes, self.position + bytes);
        if self.extents.get(self.current).is_none_or(|extent| extent.len() <= self.taken) {
            (self.current, self.taken) = (self.current + 1, 0);
        }
        if self.position >= self.announce_at {
            self.announce_rest();
            self.announce_at = self.position + ANNOUNCED_EVERY_BYTES;
        }
    }

    /// Announces the rest of the body, if it is of an object, whose bytes are then fetched ahead as far as the
    /// bucket's own setting allows. The last extent is nearly always of the same object.
    fn announce_rest(&self) {
        let (Some(Extent::Source { source, range }), Some(Extent::Source { range: last, .. })) =
            (self.extents.get(self.current), self.extents.last())
        else {
            return;
        };
        if let Some(file) = source.as_file().filter(|file| file.changeable().is_none()) {
            file.expect(&(range.start + self.taken..last.end));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt as _;

    use super::*;

    /// A source of counted bytes that notes its reads.
    #[derive(Debug, Default)]
    struct Counted {
        reads: Mutex<Vec<Range<u64>>>,
        is_cold: bool,
    }

    impl Counted {
        fn bytes(&self, range: Range<u64>) -> Bytes {
            self.reads.lock().expect("no panic").push(range.clone());
            range.map(|at| (at % 251).to_le_bytes()[0]).collect::<Vec<_>>().into()
        }
    }

    impl Source for Counted {
        fn len(&self) -> u64 {
            1 << 30
        }

        fn read_now(&self, range: Range<u64>) -> Result<Option<Bytes>, ReadError> {
            Ok((!self.is_cold).then(|| self.bytes(range)))
        }

        fn read(
            self: Arc<Self>,
            range: Range<u64>,
        ) -> BoxFuture<'static, Result<Bytes, ReadError>> {
            async move { Ok(self.bytes(range)) }.boxed()
        }
    }

    fn part(source: &Arc<Counted>, range: Range<u64>) -> Extent {
        Extent::Source { source: Arc::clone(source) as Arc<dyn Source>, range }
    }

    fn list(extents: impl IntoIterator<Item = Extent>) -> Extents {
        let mut list = Extents::default();
        extents.into_iter().for_each(|extent| list.push(extent).expect("an extent"));
        list
    }

    fn read_all(extents: Extents, max: usize) -> Vec<Bytes> {
        let mut pieces = Pieces::new(extents);
        let mut all = Vec::new();
        while pieces.remaining() > 0 {
            let piece = match pieces.next(max, |_, _| false).expect("bytes") {
                NextPiece::Ready(piece) => piece,
                NextPiece::Waits(read) => {
                    let read = read.now_or_never().expect("it is ready");
                    pieces.accept(read).expect("bytes")
                }
            };
            let Piece::Memory { bytes, .. } = piece else { panic!("it is no file") };
            all.push(bytes);
        }
        all
    }

    #[test]
    fn pieces_are_aligned_and_arrive_whole_hot_and_cold() {
        for is_cold in [false, true] {
            let source = Arc::new(Counted { is_cold, ..Counted::default() });
            let range = 1000..300_001;
            let pieces = read_all(list([part(&source, range.clone())]), usize::MAX);
            let lengths: Vec<usize> = pieces.iter().map(Bytes::len).collect();
            assert_eq!(lengths, [64_536, 65_536, 65_536, 65_536, 37_857], "{is_cold}");
            assert!(pieces.concat() == source.bytes(range));
        }
    }

    #[test]
    fn a_piece_is_no_longer_than_the_window() {
        let source = Arc::new(Counted::default());
        let pieces = read_all(list([part(&source, 0..100_000)]), 20_000);
        assert!(pieces.iter().all(|piece| piece.len() <= 20_000));
        assert!(pieces.concat() == source.bytes(0..100_000));
    }

    #[test]
    fn short_extents_are_joined_and_long_ones_are_not_copied() {
        let source = Arc::new(Counted::default());
        let head = Bytes::from(vec![7; 500]);
        let short = (0..300_u64).map(|number| part(&source, number * 1000..number * 1000 + 400));
        let extents = [Extent::Memory(head.clone())].into_iter().chain(short);
        let long = part(&source, 1 << 20..(1 << 20) + (64 << 10));
        let extents = list(extents.chain([long]));
        let pieces = read_all(extents.clone(), usize::MAX);
        assert_eq!(pieces.len(), 3, "{:?}", pieces.iter().map(Bytes::len).collect::<Vec<_>>());
        assert_eq!(pieces.concat().len() as u64, extents.len());
        assert!(pieces.concat().starts_with(&head));
    }
}
