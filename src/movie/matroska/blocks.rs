//! Blocks (RFC 9559 section 10): a walk over the clusters of a file that reads the headers of blocks only.

use std::ops::Range;

use super::{
    ebml::{self, Element},
    ids,
    laces::{self, Lacing},
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::window::Window,
};

/// Read size in bytes: the header of a block and what a codec says in its first bytes. Blocks are farther
/// apart.
const WINDOW_BYTES: usize = 256;

/// The most elements of a group; real ones have a handful.
const GROUP_ELEMENTS_MAX: usize = 64;

/// The cost of a block without bytes.
const EMPTY_COST: u64 = 8;

/// A cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cluster {
    /// Offset of the element.
    pub(super) start: u64,
    /// Offset of its first element.
    body: u64,
    /// Offset behind it; `None` if its size is unknown.
    end: Option<u64>,
    /// Its time in ticks.
    time: i64,
}

impl Cluster {
    /// Its time, in ticks of the file.
    pub(super) fn time(self) -> i64 {
        self.time
    }
}

/// A block.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Block {
    /// Offset of its cluster.
    pub(super) cluster: u64,
    /// Number of its track.
    pub(super) track: u64,
    /// In ticks of the file.
    pub(super) time: i64,
    /// Whether decoding can begin here.
    pub(super) is_key: bool,
    lacing: Lacing,
    /// What follows its header.
    pub(super) payload: Range<u64>,
    /// In ticks of the file.
    pub(super) duration: Option<u64>,
    /// What to cut off the end of its last frame, in nanoseconds.
    pub(super) discard_ns: i64,
    /// Whether the decoder has to be configured again.
    pub(super) has_codec_state: bool,
}

/// What a walk has come to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// A cluster begins.
    Cluster(Cluster),
    Block(Block),
    /// An element of the segment that is no cluster.
    Other(Element),
}

/// A walk over clusters.
#[derive(Debug)]
pub(super) struct BlockWalk<'r, R: ?Sized> {
    window: Window<'r, R>,
    /// End of the segment.
    end: u64,
    at: u64,
    cluster: Option<Cluster>,
    /// The remaining work.
    work: u64,
    /// Whether the walk has ended because an element is not whole, or no element.
    pub(super) is_broken: bool,
}

impl<'r, R: ReadAt + ?Sized> BlockWalk<'r, R> {
    /// Begins at an element of the segment, which ends at `end`. Each block costs one unit of work, an empty
    /// one eight, and any other element one.
    pub(super) fn new(source: &'r R, start: u64, end: u64, work: u64) -> Self {
        let window = Window::new(source, WINDOW_BYTES);
        Self {
            window,
            end: end.min(source.len()),
            at: start,
            cluster: None,
            work,
            is_broken: false,
        }
    }

    /// The remaining work.
    pub(super) fn work(&self) -> u64 {
        self.work
    }

    /// Leaves the current cluster for the element behind it, if its size is known, at this cost.
    pub(super) fn skip_cluster(&mut self, cost: u64) {
        if let Some(end) = self.cluster.and_then(|cluster| cluster.end) {
            (self.at, self.cluster) = (end, None);
            self.work = self.work.saturating_sub(cost);
        }
    }

    /// Moves to an element of the current cluster, by its offset from the first one. False if it has no such.
    pub(super) fn move_to(&mut self, relative: u64) -> bool {
        let Some(cluster) = self.cluster else { return false };
        let limit = cluster.end.unwrap_or(self.end);
        let at = cluster.body.checked_add(relative).filter(|at| *at < limit);
        self.at = at.unwrap_or(self.at);
        at.is_some()
    }

    /// The frames of a block, in order. `None` if its sizes contradict it.
    pub(super) fn frames(&mut self, block: &Block) -> Result<Option<Vec<Range<u64>>>, ReadError> {
        let frames = laces::frames(&mut self.window, block.payload.clone(), block.lacing)?;
        // The block itself has paid for the first one.
        let more = frames.iter().flatten().skip(1);
        let cost: u64 = more.map(|frame| if frame.is_empty() { EMPTY_COST } else { 1 }).sum();
        let is_affordable = cost <= self.work;
        self.work = self.work.saturating_sub(cost);
        Ok(frames.filter(|_| is_affordable))
    }

    /// The first bytes of a frame, at most `length`.
    pub(super) fn first_bytes(
        &mut self,
        frame: &Range<u64>,
        length: usize,
    ) -> Result<&[u8], ReadError> {
        let bytes = usize::try_from(frame.end - frame.start).unwrap_or(usize::MAX);
        self.window.get(frame.start, bytes.min(length))
    }

    /// The next cluster, block or other element; `None` at the end of the segment, behind the last whole
    /// element, or without work.
    pub(super) fn next(&mut self) -> Result<Option<Step>, ReadError> {
        loop {
            let Some(work) = self.work.checked_sub(1) else { return Ok(None) };
            self.work = work;
            if let Some(Cluster { end: Some(end), .. }) = self.cluster
                && self.at >= end
            {
                (self.at, self.cluster) = (end, None);
            }
            if self.at >= self.end {
                return Ok(None);
            }
            let Some(element) = Element::read(&mut self.window, self.at)? else {
                if self.leave_damage() {
                    continue;
                }
                return Ok(self.broken());
            };
            match self.cluster {
                Some(Cluster { end: None, .. }) if ids::is_of_segment(element.id) => {
                    self.cluster = None;
                }
                Some(cluster) => {
                    let limit = cluster.end.unwrap_or(self.end);
                    match self.in_cluster(cluster, &element, limit)? {
                        Some(Some(block)) => return Ok(Some(Step::Block(block))),
                        Some(None) => {}
                        None if self.leave_damage() => {}
                        None => return Ok(self.broken()),
                    }
                    continue;
                }
                None => {}
            }
            match element.id {
                ids::CLUSTER => return self.enter(&element).map(Some),
                ids::SEGMENT | ids::EBML => return Ok(None),
                _ => {}
            }
            // An element that is cut counts, and ends the walk.
            self.at = element.end().unwrap_or(self.end).max(element.body);
            return Ok(Some(Step::Other(element)));
        }
    }

    /// Leaves a damaged cluster. False if nothing says where it ends, or if nothing follows.
    fn leave_damage(&mut self) -> bool {
        let end = self.cluster.and_then(|cluster| cluster.end).filter(|end| *end < self.end);
        end.is_some_and(|end| {
            (self.at, self.cluster) = (end, None);
            true
        })
    }

    fn broken(&mut self) -> Option<Step> {
        (self.is_broken, self.at, self.cluster) = (true, self.end, None);
        None
    }

    /// Enters a cluster: its time comes first.
    fn enter(&mut self, element: &Element) -> Result<Step, ReadError> {
        let end = element.end().map(|end| end.min(self.end));
        let mut cluster = Cluster { start: element.start, body: element.body, end, time: 0 };
        self.at = element.body;
        for _ in 0..GROUP_ELEMENTS_MAX {
            if self.at >= end.unwrap_or(self.end) {
                break;
            }
            let Some(first) = Element::read(&mut self.window, self.at)? else { break };
            if first.id == ids::CLUSTER_TIMESTAMP {
                cluster.time =
                    self.number(&first)?.and_then(|time| i64::try_from(time).ok()).unwrap_or(0);
            }
            let is_block = matches!(first.id, ids::SIMPLE_BLOCK | ids::BLOCK_GROUP);
            let is_skipped = !is_block && !ids::is_of_segment(first.id);
            let Some(behind) = first.end().filter(|_| is_skipped) else { break };
            self.at = behind;
            self.work = self.work.saturating_sub(1);
        }
        self.cluster = Some(cluster);
        Ok(Step::Cluster(cluster))
    }

    /// Reads an element of a cluster and moves behind it. `None` if it is not whole; `None` inside if it is no
    /// block.
    fn in_cluster(
        &mut self,
        cluster: Cluster,
        element: &Element,
        limit: u64,
    ) -> Result<Option<Option<Block>>, ReadError> {
        let Some(end) = element.end().filter(|end| *end <= limit) else { return Ok(None) };
        let block = match element.id {
            ids::SIMPLE_BLOCK => self.block(cluster, element.body..end, true)?,
            ids::BLOCK_GROUP => self.group(cluster, element.body..end)?,
            _ => None,
        };
        if block.as_ref().is_some_and(|block| block.payload.is_empty()) {
            self.work = self.work.saturating_sub(EMPTY_COST - 1);
        }
        self.at = end;
        Ok(Some(block))
    }

    /// A group: its block, and what belongs to it.
    fn group(&mut self, cluster: Cluster, body: Range<u64>) -> Result<Option<Block>, ReadError> {
        let (mut block, mut is_key) = (None, true);
        let (mut duration, mut discard_ns, mut has_codec_state) = (None, 0, false);
        let mut at = body.start;
        for _ in 0..GROUP_ELEMENTS_MAX {
            if at >= body.end {
                break;
            }
            let Some(element) = Element::read(&mut self.window, at)? else { break };
            let Some(end) = element.end().filter(|end| *end <= body.end) else { break };
            match element.id {
                ids::BLOCK if block.is_none() => {
                    block = self.block(cluster, element.body..end, false)?;
                }
                ids::BLOCK_DURATION => duration = self.number(&element)?,
                ids::REFERENCE_BLOCK => is_key = false,
                ids::DISCARD_PADDING => {
                    discard_ns = self.bytes(&element)?.and_then(ebml::signed).unwrap_or(0);
                }
                ids::CODEC_STATE => has_codec_state = true,
                _ => {}
            }
            at = end;
            self.work = self.work.saturating_sub(1);
        }
        Ok(block.map(|block| Block { is_key, duration, discard_ns, has_codec_state, ..block }))
    }

    /// A block with its header (section 10.1); `None` if it has none.
    fn block(
        &mut self,
        cluster: Cluster,
        body: Range<u64>,
        is_simple: bool,
    ) -> Result<Option<Block>, ReadError> {
        const KEY: u8 = 0x80;
        let length = usize::try_from((body.end - body.start).min(11)).expect("eleven bytes");
        let header = self.window.get(body.start, length)?;
        let Some((track, bytes, [high, low, flags, ..])) = ebml::vint(header) else {
            return Ok(None);
        };
        let time = cluster.time.saturating_add(i16::from_be_bytes([*high, *low]).into());
        Ok(Some(Block {
            cluster: cluster.start,
            track,
            time,
            is_key: is_simple && flags & KEY != 0,
            lacing: Lacing::from_flags(*flags),
            payload: body.start + bytes as u64 + 3..body.end,
            duration: None,
            discard_ns: 0,
            has_codec_state: false,
        }))
    }

    fn bytes(&mut self, element: &Element) -> Result<Option<&[u8]>, ReadError> {
        match element.size {
            Some(size @ 0..=8) if element.body + size <= self.window.source().len() => {
                let length = usize::try_from(size).expect("eight bytes");
                self.window.get(element.body, length).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn number(&mut self, element: &Element) -> Result<Option<u64>, ReadError> {
        Ok(self.bytes(element)?.and_then(ebml::number))
    }
}
