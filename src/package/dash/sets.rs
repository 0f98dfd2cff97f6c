//! Adaptation sets: a client selects one, and may switch between its representations at any segment
//! (ISO/IEC 23009-1 sections 5.3.3 and 5.3.5).

use super::{
    audio::channels,
    captions,
    timeline::{is_aligned, segment_template},
    xml::{Element, close, descriptor},
};
use crate::{
    movie::SegmentStart,
    package::{
        bit_rate::BitRate,
        presentation::{Audio, Ratio, Text, Track, Video, VideoRange},
        protection::{base64, uuid},
        roles::DASH_ROLES,
        storyboard::{COLUMNS, ROWS, Storyboard, TILES},
        write::{UniqueNames, escape_uri, language, name, uri},
    },
};

/// The profile without restrictions (section 8.2).
pub(super) const FULL_PROFILE: &str = "urn:mpeg:dash:profile:full:2011";
/// Scheme and key identifier (section 5.8.4.1).
const MP4_PROTECTION: &str = "urn:mpeg:dash:mp4protection:2011";
/// An image with tiles, in columns and rows.
const THUMBNAIL_TILE: &str = "http://dashif.org/guidelines/thumbnail_tile";
/// Code points of colour (ISO/IEC 23091-2).
const COLOUR_PRIMARIES: &str = "urn:mpeg:mpegB:cicp:ColourPrimaries";
const TRANSFER_CHARACTERISTICS: &str = "urn:mpeg:mpegB:cicp:TransferCharacteristics";
const MATRIX_COEFFICIENTS: &str = "urn:mpeg:mpegB:cicp:MatrixCoefficients";

/// Writes all adaptation sets: video, audio, text, and the storyboard.
pub(super) fn adaptation_sets(out: &mut String, tracks: &[Track], storyboard: Option<&Storyboard>) {
    let mut writer = Writer { out, sets: 0, ids: UniqueNames::default() };
    let sets = video_sets(tracks);
    let has_sdr = sets.iter().flatten().any(|(_, video)| video.range == VideoRange::Sdr);
    for set in &sets {
        writer.video(set, has_sdr);
    }
    let audio: Vec<_> = tracks.iter().filter_map(|t| Some((t, t.audio()?))).collect();
    // Audio needs a main track: the first one, if none is marked.
    let main = audio.iter().position(|(track, _)| track.is_default).unwrap_or(0);
    for (place, (track, audio)) in audio.into_iter().enumerate() {
        writer.audio(track, audio, place == main);
    }
    for (track, text) in tracks.iter().filter_map(|t| Some((t, t.text()?))) {
        writer.text(track, text);
    }
    storyboard.into_iter().for_each(|storyboard| writer.images(storyboard));
}

/// The video tracks, grouped into sets between which a client can switch at any segment.
fn video_sets(tracks: &[Track]) -> Vec<Vec<(&Track, &Video)>> {
    let mut sets: Vec<Vec<(&Track, &Video)>> = Vec::new();
    for (track, video) in tracks.iter().filter_map(|t| Some((t, t.video()?))) {
        let fits = |set: &&mut Vec<(&Track, &Video)>| {
            set.first().is_some_and(|(first, properties)| {
                first.codec_family() == track.codec_family()
                    && properties.range == video.range
                    && is_aligned(first, track)
            })
        };
        match sets.iter_mut().find(fits) {
            Some(set) => set.push((track, video)),
            None => sets.push(vec![(track, video)]),
        }
    }
    sets
}

struct Writer<'a> {
    out: &'a mut String,
    sets: u64,
    ids: UniqueNames,
}

impl Writer<'_> {
    /// Starts an adaptation set; the element is open for attributes.
    fn set(&mut self, kind: &str, media_type: &str) -> Element<'_> {
        self.sets += 1;
        Element::new(self.out, "AdaptationSet")
            .number("id", self.sets)
            .attribute("contentType", kind)
            .attribute("mimeType", media_type)
    }

    /// Starts a representation; the element is open for attributes. Identifiers are unique in the period,
    /// but tracks of different files may have equal folders.
    fn representation(&mut self, track: &Track) -> Element<'_> {
        let id = self.ids.add(&track.folder, |folder, number| format!("{folder}-{number}"));
        Element::new(self.out, "Representation")
            .attribute("id", &id)
            .number("bandwidth", BitRate::from_track(track).peak.max(1))
            .attribute_if("codecs", Some(track.codecs.as_str()).filter(|codecs| !codecs.is_empty()))
    }

    fn base_url(&mut self, track: &Track, file: &str) {
        Element::new(self.out, "BaseURL").text(&uri(track, file));
    }

    fn video(&mut self, set: &[(&Track, &Video)], has_sdr: bool) {
        let Some(&(first, properties)) = set.first() else { return };
        let tag = segmented(self.set("video", "video/mp4"), set.iter().map(|(track, _)| *track))
            .attribute_if("lang", shared(set, |(track, _)| language(track)))
            .number("maxWidth", greatest(set, |video| video.width))
            .number("maxHeight", greatest(set, |video| video.height));
        let fastest = set.iter().filter_map(|(_, video)| video.frame_rate).max();
        let tag = frame_rate(tag, "maxFrameRate", fastest);
        match shared(set, |(_, video)| display_aspect(video)) {
            Some(aspect) => ratio(tag, "par", ':', aspect),
            None => tag,
        }
        .open();
        let has_same_protection = set.iter().all(|(track, _)| track.protection == first.protection);
        if has_same_protection {
            content_protection(self.out, first);
        }
        self.colour(set, properties.range, has_sdr);
        captions::descriptors(self.out, set);
        self.roles(first, "main");
        for (track, video) in set {
            let tag = self
                .representation(track)
                .number("width", video.width.into())
                .number("height", video.height.into());
            let tag = ratio(tag, "sar", ':', video.pixel_aspect);
            let tag = frame_rate(tag, "frameRate", video.frame_rate);
            // SCTE 214-1 section 6.3: the codec, and the brand of its profile.
            match video.supplemental_codecs.as_deref().map(|codecs| codecs.split_once('/')) {
                Some(Some((codecs, profile))) => tag
                    .attribute("scte214:supplementalCodecs", codecs)
                    .attribute("scte214:supplementalProfiles", profile),
                _ => tag.attribute_if(
                    "scte214:supplementalCodecs",
                    video.supplemental_codecs.as_deref(),
                ),
            }
            .open();
            if !has_same_protection {
                content_protection(self.out, track);
            }
            self.segments(track);
        }
        close(self.out, "AdaptationSet");
    }

    /// Writes the code points of a set with a high dynamic range (DASH-IF IOP 4.3 section 10.2.2).
    fn colour(&mut self, set: &[(&Track, &Video)], range: VideoRange, has_sdr: bool) {
        let transfer = match range {
            VideoRange::Sdr => return,
            VideoRange::Pq => 16,
            VideoRange::Hlg => 18,
        };
        // A client that does not support the transfer function ignores a set with an essential
        // property, which is right if there is another set; without one dash.js would play nothing.
        let property = if has_sdr { "EssentialProperty" } else { "SupplementalProperty" };
        for (scheme, value) in [
            (COLOUR_PRIMARIES, shared(set, |(_, video)| video.primaries)),
            (TRANSFER_CHARACTERISTICS, Some(transfer)),
            (MATRIX_COEFFICIENTS, shared(set, |(_, video)| video.matrix)),
        ] {
            if let Some(value) = value {
                descriptor(self.out, property, scheme, &value.to_string());
            }
        }
    }

    /// Writes whom a track helps, the role that follows from its place, and those of its file.
    fn roles(&mut self, track: &Track, place: &str) {
        for (scheme, value) in track.roles.iter().filter_map(|role| role.accessibility()) {
            descriptor(self.out, "Accessibility", scheme, value);
        }
        let declared = track.roles.iter().map(|role| role.dash_value());
        for role in [place].into_iter().chain(declared.filter(|role| *role != place)) {
            descriptor(self.out, "Role", DASH_ROLES, role);
        }
    }

    /// Writes the segments of a track, and ends its representation. The template is in the representation,
    /// as other packagers write it: VLC 3 resolves one of the set against the base URL of the set.
    fn segments(&mut self, track: &Track) {
        self.base_url(track, "");
        segment_template(self.out, track);
        close(self.out, "Representation");
    }

    fn audio(&mut self, track: &Track, audio: &Audio, is_main: bool) {
        segmented(self.set("audio", "audio/mp4"), [track])
            .attribute_if("lang", language(track))
            .open();
        content_protection(self.out, track);
        self.label(track);
        self.roles(track, if is_main { "main" } else { "alternate" });
        self.representation(track).number("audioSamplingRate", audio.sample_rate_hz.into()).open();
        channels(self.out, track, audio);
        self.segments(track);
        close(self.out, "AdaptationSet");
    }

    /// Text is one whole file: clients load it once, and request no segments. So it is outside of the
    /// profile of the other sets.
    fn text(&mut self, track: &Track, text: &Text) {
        self.set("text", "text/vtt")
            .attribute("profiles", FULL_PROFILE)
            .attribute_if("lang", language(track))
            .open();
        self.label(track);
        let role = match text {
            Text { forced: true, .. } => "forced-subtitle",
            Text { hearing_impaired: true, .. } => "caption",
            Text { .. } => "subtitle",
        };
        self.roles(track, role);
        if track.is_default {
            descriptor(self.out, "Role", DASH_ROLES, "main");
        }
        self.representation(track).open();
        self.base_url(track, "all.vtt");
        close(self.out, "Representation");
        close(self.out, "AdaptationSet");
    }

    /// Sheets of tiles (DASH-IF IOP 4.3 section 6.2.6). All have the same duration, even the last one: the
    /// presentation ends earlier.
    fn images(&mut self, storyboard: &Storyboard) {
        let geometry = &storyboard.geometry;
        let (width, height) = geometry.sheet_size();
        self.set("image", "image/jpeg").open();
        let id = self.ids.add("storyboard", |id, number| format!("{id}-{number}"));
        Element::new(self.out, "Representation")
            .attribute("id", &id)
            .number("bandwidth", geometry.bits_per_second())
            .number("width", width.into())
            .number("height", height.into())
            .open();
        descriptor(self.out, "EssentialProperty", THUMBNAIL_TILE, &format!("{COLUMNS}x{ROWS}"));
        Element::new(self.out, "BaseURL").text(&escape_uri(&storyboard.url("")));
        Element::new(self.out, "SegmentTemplate")
            .number("timescale", 1000)
            .number("duration", geometry.interval_ms * u64::from(TILES))
            .number("startNumber", 1)
            .attribute("media", "$Number$.jpg")
            .empty();
        close(self.out, "Representation");
        close(self.out, "AdaptationSet");
    }

    fn label(&mut self, track: &Track) {
        Element::new(self.out, "Label").text(&name(track));
    }
}

/// Writes the encryption of a track (ISO/IEC 23001-7 section 11.2): scheme and key identifier, and the
/// initialization data of each DRM system.
fn content_protection(out: &mut String, track: &Track) {
    let Some(protection) = &track.protection else { return };
    let scheme: String = protection.scheme.iter().copied().map(char::from).collect();
    Element::new(out, "ContentProtection")
        .attribute("schemeIdUri", MP4_PROTECTION)
        .attribute("value", &scheme)
        .attribute("cenc:default_KID", &uuid(protection.key_id))
        .empty();
    for system in protection.systems.iter() {
        Element::new(out, "ContentProtection")
            .attribute("schemeIdUri", &format!("urn:uuid:{}", uuid(system.id)))
            .open();
        Element::new(out, "cenc:pssh").text(&base64(&system.headers));
        close(out, "ContentProtection");
    }
}

/// Adds the attributes of sets with segments: they do not overlap, and begin with a stream access point of at
/// most this type (section 5.3.7.2).
fn segmented<'a, 't>(tag: Element<'a>, tracks: impl IntoIterator<Item = &'t Track>) -> Element<'a> {
    let begins = tracks.into_iter().map(|track| track.begins).max();
    let tag = tag.attribute("segmentAlignment", "true");
    match begins.unwrap_or(SegmentStart::Independent) {
        SegmentStart::Independent => tag.number("startWithSAP", 1),
        SegmentStart::Leading => tag.number("startWithSAP", 3),
        SegmentStart::Dependent => tag,
    }
}

/// The value that all representations of a set have; `None` if they differ, or one has none.
fn shared<'a, T: PartialEq>(
    set: &[(&'a Track, &'a Video)],
    value: impl Fn(&(&'a Track, &'a Video)) -> Option<T>,
) -> Option<T> {
    let first = value(set.first()?)?;
    set.iter().all(|other| value(other).as_ref() == Some(&first)).then_some(first)
}

fn greatest(set: &[(&Track, &Video)], value: impl Fn(&Video) -> u32) -> u64 {
    set.iter().map(|(_, video)| value(video)).max().unwrap_or(0).into()
}

/// Adds a frame rate, if it is known: `25`, `24000/1001`.
fn frame_rate<'a>(tag: Element<'a>, name: &str, rate: Option<Ratio>) -> Element<'a> {
    match rate {
        Some(rate) if rate.denominator() == 1 => tag.number(name, rate.numerator().into()),
        Some(rate) => ratio(tag, name, '/', rate),
        None => tag,
    }
}

fn ratio<'a>(tag: Element<'a>, name: &str, separator: char, ratio: Ratio) -> Element<'a> {
    tag.pair(name, ratio.numerator().into(), separator, ratio.denominator().into())
}

/// Display aspect ratio; `None` if it does not fit into 32-bit numbers.
fn display_aspect(video: &Video) -> Option<Ratio> {
    let width = video.width.checked_mul(video.pixel_aspect.numerator())?;
    Ratio::new(width, video.height.checked_mul(video.pixel_aspect.denominator())?)
}
