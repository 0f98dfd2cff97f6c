//! The elements of a segment (RFC 9559 section 5.1) around its clusters: those in front, and those behind that
//! `SeekHead` names.

use std::ops::Range;

use super::{
    ebml::{self, Element},
    ids,
};
use crate::{
    extent::{ReadAt, ReadError},
    movie::window::Window,
};

/// Read size in bytes: a page.
const WINDOW_BYTES: usize = 4096;

/// The most elements that are read in front of the first cluster; real files have a handful.
const ELEMENTS_MAX: usize = 256;

/// The most positions of `SeekHead`s that are visited, each once.
const SEEKS_MAX: usize = 64;

/// The longest `SeekHead`, and the longest `Info`, in bytes.
const SHORT_BYTES_MAX: u64 = 64 * 1024;

/// The most elements of a kind that may occur several times.
const PARTS_MAX: usize = 16;

/// Where the elements of a segment are.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    /// Whether the file calls itself WebM.
    pub(super) is_webm: bool,
    /// The body of the segment.
    pub(super) segment: Range<u64>,
    /// The file says how long the segment is, and is not shorter.
    pub(super) is_whole: bool,
    /// The bodies of the first `Info`, `Tracks` and `Cues`.
    pub(super) info: Option<Range<u64>>,
    pub(super) tracks: Option<Range<u64>>,
    pub(super) cues: Option<Range<u64>>,
    /// The bodies of all `Tags`, `Chapters` and `Attachments`.
    pub(super) tags: Vec<Range<u64>>,
    pub(super) chapters: Vec<Range<u64>>,
    pub(super) attachments: Vec<Range<u64>>,
    /// Offset of the first cluster.
    pub(super) first_cluster: Option<u64>,
}

impl Head {
    /// Reads the first segment of a file up to its first cluster, and what its `SeekHead`s name. `None` if the
    /// file has no segment.
    pub(super) fn read<R: ReadAt + ?Sized>(source: &R) -> Result<Option<Self>, ReadError> {
        let window = &mut Window::new(source, WINDOW_BYTES);
        let Some(mut head) = Self::find_segment(window)? else {
            return Ok(None);
        };
        let mut seeks = Vec::new();
        let mut at = head.segment.start;
        for _ in 0..ELEMENTS_MAX {
            let Some(element) = Element::read(window, at)? else { break };
            match element.id {
                ids::CLUSTER => {
                    head.first_cluster = Some(element.start);
                    break;
                }
                ids::SEGMENT | ids::EBML => break,
                ids::SEEK_HEAD => seeks.extend(head.seek_head(source, &element)?),
                _ => head.add(&element),
            }
            let Some(end) = element.end().filter(|end| *end <= head.segment.end) else { break };
            at = end;
        }
        head.follow(window, seeks)?;
        Ok(Some(head))
    }

    /// The EBML header and the beginning of the segment.
    fn find_segment<R: ReadAt + ?Sized>(
        window: &mut Window<'_, R>,
    ) -> Result<Option<Self>, ReadError> {
        let file_len = window.source().len();
        let mut head = Self::default();
        let mut at = 0;
        for _ in 0..ELEMENTS_MAX {
            let Some(element) = Element::read(window, at)? else { break };
            match element.id {
                ids::EBML => {
                    let body = element.body_within(file_len);
                    let body = ebml::read_body(window.source(), &body, SHORT_BYTES_MAX)?;
                    let doc_type = body.and_then(|body| ebml::find_text(&body, ids::DOC_TYPE));
                    head.is_webm = doc_type.is_some_and(|name| name == "webm");
                }
                ids::SEGMENT => {
                    head.segment = element.body_within(file_len);
                    head.is_whole = element.end().is_some_and(|end| end <= file_len);
                    return Ok(Some(head));
                }
                // Another kind of file.
                _ if at == 0 => break,
                _ => {}
            }
            let Some(end) = element.end() else { break };
            at = end;
        }
        Ok(None)
    }

    /// Notes an element of the segment that is no cluster: of several `Info`, `Tracks` and `Cues` the first.
    pub(super) fn add(&mut self, element: &Element) {
        let body = element.body_within(self.segment.end);
        let is_whole = element.size == Some(body.end - body.start);
        // The tracks of a file that is cut are read as far as they go.
        if !is_whole && element.id != ids::TRACKS {
            return;
        }
        let several = match element.id {
            ids::INFO => return first(&mut self.info, body),
            ids::TRACKS => return first(&mut self.tracks, body),
            ids::CUES => return first(&mut self.cues, body),
            ids::TAGS => &mut self.tags,
            ids::CHAPTERS => &mut self.chapters,
            ids::ATTACHMENTS => &mut self.attachments,
            _ => return,
        };
        if several.len() < PARTS_MAX && !several.contains(&body) {
            several.push(body);
        }
    }

    /// The positions that a `SeekHead` names.
    fn seek_head<R: ReadAt + ?Sized>(
        &self,
        source: &R,
        element: &Element,
    ) -> Result<Vec<u64>, ReadError> {
        let body = element.body_within(self.segment.end);
        let Some(body) = ebml::read_body(source, &body, SHORT_BYTES_MAX)? else {
            return Ok(Vec::new());
        };
        let seeks = ebml::children(&body).filter(|(id, _)| *id == ids::SEEK);
        let position = |(_, seek): (u32, &[u8])| {
            let id = ebml::find_number(seek, ids::SEEK_ID)?;
            let at =
                self.segment.start.checked_add(ebml::find_number(seek, ids::SEEK_POSITION)?)?;
            (id != u64::from(ids::CLUSTER) && at < self.segment.end).then_some(at)
        };
        Ok(seeks.take(SEEKS_MAX).filter_map(position).collect())
    }

    /// Visits the positions that `SeekHead`s name, which may name others.
    fn follow<R: ReadAt + ?Sized>(
        &mut self,
        window: &mut Window<'_, R>,
        mut positions: Vec<u64>,
    ) -> Result<(), ReadError> {
        let mut place = 0;
        while let Some(&at) = positions.get(place).filter(|_| place < SEEKS_MAX) {
            place += 1;
            // What is in front of the clusters is known.
            let is_known = self.first_cluster.is_none_or(|cluster| at < cluster);
            if is_known || positions[..place - 1].contains(&at) {
                continue;
            }
            match Element::read(window, at)? {
                Some(element) if element.id == ids::SEEK_HEAD => {
                    positions.extend(self.seek_head(window.source(), &element)?);
                    positions.truncate(SEEKS_MAX);
                }
                Some(element) => self.add(&element),
                None => {}
            }
        }
        Ok(())
    }
}

fn first(place: &mut Option<Range<u64>>, body: Range<u64>) {
    place.get_or_insert(body);
}

/// Nanoseconds of a tick if the file names none, or an impossible number.
const TIMESTAMP_SCALE_NS: u64 = 1_000_000;

/// The longest tick: a second.
const TIMESTAMP_SCALE_NS_MAX: u64 = 1_000_000_000;

/// What `Info` says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Info {
    /// Nanoseconds of a tick.
    pub(super) scale_ns: u64,
    /// The duration in milliseconds: a hint.
    pub(super) duration_ms: Option<u64>,
}

impl Info {
    /// Reads `Info`, or takes what holds without it.
    pub(super) fn read<R: ReadAt + ?Sized>(source: &R, head: &Head) -> Result<Self, ReadError> {
        let body = match &head.info {
            Some(body) => ebml::read_body(source, body, SHORT_BYTES_MAX)?.unwrap_or_default(),
            None => Vec::new(),
        };
        Ok(Self::parse(&body))
    }

    fn parse(body: &[u8]) -> Self {
        let scale_ns = ebml::find_number(body, ids::TIMESTAMP_SCALE)
            .filter(|scale| (1..=TIMESTAMP_SCALE_NS_MAX).contains(scale))
            .unwrap_or(TIMESTAMP_SCALE_NS);
        let ticks = ebml::find_float(body, ids::DURATION).filter(|ticks| *ticks > 0.0);
        let duration_ms = ticks.map(|ticks| ticks * scale_ns as f64 / 1e6);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        let duration_ms = duration_ms.map(|ms| ms as u64).filter(|ms| *ms > 0 && *ms < u64::MAX);
        Self { scale_ns, duration_ms }
    }
}
