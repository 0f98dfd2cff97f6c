//! The sample entries of a track (`stsd`, ISO/IEC 14496-12 section 8.5.2), and the data that they refer to.
//!
//! A track may have several, and each sample names one. Entries that are the same for a decoder count as one;
//! which one a track has follows from its samples.

use std::sync::Arc;

use super::boxes::{self, Header};
use crate::{
    extent::{ReadAt, ReadError},
    movie::{
        FourCc,
        codec::{self, DecoderNeeds, SampleEntry},
        window::Window,
    },
};

/// The longest sample entry that is read, in bytes: parameter sets and colour profiles take a few KiB, and
/// each track has an entry.
const SAMPLE_ENTRY_BYTES_MAX: u64 = 64 * 1024;

/// The most entries of a track that are read. Editors write one for each clip of a movie.
const ENTRIES_MAX: usize = 64;

/// One or more equal sample entries.
struct Entry {
    /// Its type, if it is readable.
    format: Option<FourCc>,
    /// The entry, and what a decoder has to know of it; the error is the reason why it is unreadable.
    entry: Result<(SampleEntry, DecoderNeeds), String>,
    /// The number of the first of them, from 1.
    number: u8,
    /// How many they are.
    count: u8,
}

/// The sample entries of a track.
pub(super) struct Entries {
    distinct: Vec<Entry>,
    /// For each entry of the file, the number of the first that is equal.
    equal: Vec<u8>,
}

/// The entry of a track, and how many others are equal to it.
pub(super) struct Chosen {
    pub(super) entry: SampleEntry,
    pub(super) equal_entries: u8,
}

/// Why a track has no sample entry.
pub(super) struct EntryRefused {
    pub(super) format: Option<FourCc>,
    pub(super) why: String,
}

impl Entries {
    /// Reads all entries of a track with this handler.
    pub(super) fn read<R: ReadAt + ?Sized>(
        window: &mut Window<'_, R>,
        stbl: &[Header],
        handler: FourCc,
    ) -> Result<Self, ReadError> {
        let mut entries = Self { distinct: Vec::new(), equal: Vec::new() };
        let Some(stsd) = boxes::find(stbl, b"stsd").filter(|stsd| stsd.body_len() >= 8) else {
            return Ok(entries);
        };
        let mut at = stsd.body.start + 8;
        while entries.equal.len() < ENTRIES_MAX
            && let Some(header) = Header::read(window, at, stsd.body.end)?
            && !header.is_cut
        {
            at = header.body.end;
            let whole = header.whole();
            let length = whole.end - whole.start;
            let entry = if length > SAMPLE_ENTRY_BYTES_MAX {
                Err("its sample entry (stsd) is missing or invalid".to_owned())
            } else {
                let mut bytes = vec![0; usize::try_from(length).expect("at most 64 KiB")];
                window.source().read_exact_at(whole.start, &mut bytes)?;
                codec::read(&bytes, handler.0).map_err(|error| error.to_string())
            };
            entries.add(Some(header.kind), entry);
        }
        Ok(entries)
    }

    fn add(&mut self, format: Option<FourCc>, entry: Result<SampleEntry, String>) {
        let number = u8::try_from(self.equal.len() + 1).expect("at most 64");
        let entry = entry.map(|entry| {
            let needs = entry.decoder_needs();
            (entry, needs)
        });
        let is_same = |known: &&mut Entry| match (&known.entry, &entry) {
            (Ok((_, known)), Ok((_, needs))) => known.are_same(needs),
            _ => false,
        };
        if let Some(known) = self.distinct.iter_mut().find(is_same) {
            known.count += 1;
            self.equal.push(known.number);
            if known.entry.as_ref().is_ok_and(|(_, needs)| needs.lacks_configuration) {
                known.entry = entry;
            }
            return;
        }
        self.equal.push(number);
        self.distinct.push(Entry { format, entry, number, count: 1 });
    }

    /// For each entry of the file, the number of the first that is equal; `None` if there is only one.
    pub(super) fn equal(&self) -> Option<Arc<[u8]>> {
        (self.equal.len() > 1).then(|| self.equal.as_slice().into())
    }

    /// Whether samples decide which entry the track has.
    pub(super) fn are_several(&self) -> bool {
        self.distinct.len() > 1
    }

    /// The entry with this number, or the first.
    pub(super) fn choose(mut self, number: u32) -> Result<Chosen, EntryRefused> {
        let named = self.distinct.iter().position(|entry| u32::from(entry.number) == number);
        let place = named.unwrap_or(0);
        if place >= self.distinct.len() {
            let why = "its sample entry (stsd) is missing or invalid".to_owned();
            return Err(EntryRefused { format: None, why });
        }
        let Entry { format, entry, count, .. } = self.distinct.swap_remove(place);
        match entry {
            Ok((entry, _)) => Ok(Chosen { entry, equal_entries: count }),
            Err(why) => Err(EntryRefused { format, why }),
        }
    }
}

/// Whether the data of a sample entry is in another file (`dref`, section 8.7.2). A reference without a
/// location means this file, whatever its flags are.
pub(super) fn is_elsewhere<R: ReadAt + ?Sized>(
    window: &mut Window<'_, R>,
    information: &[Header],
    entry: &SampleEntry,
) -> Result<bool, ReadError> {
    /// Flag of a reference to the file itself.
    const SELF_CONTAINED: u8 = 1;
    let Some(dinf) = boxes::find(information, b"dinf") else {
        return Ok(false);
    };
    let parts = boxes::children(window, &dinf.body)?;
    let Some(dref) = boxes::find(&parts, b"dref").filter(|dref| dref.body_len() >= 8) else {
        return Ok(false);
    };
    let references = boxes::children(window, &(dref.body.start + 8..dref.body.end))?;
    let number =
        entry.entry.get(14..16).map_or(1, |field| u16::from_be_bytes([field[0], field[1]]));
    let index = usize::from(number).saturating_sub(1);
    let Some(reference) = references.get(index).filter(|reference| reference.body_len() > 4) else {
        return Ok(false);
    };
    let [.., flags] = window.array::<4>(reference.body.start)?;
    let is_location = matches!(&reference.kind.0, b"url " | b"urn " | b"alis" | b"rsrc");
    // Some writers of this file's own data write an empty string and no flag.
    let [first] = window.array::<1>(reference.body.start + 4)?;
    let is_empty = matches!(&reference.kind.0, b"url " | b"urn ") && first == 0;
    Ok(flags & SELF_CONTAINED == 0 && is_location && !is_empty)
}
