//! Playlists (RFC 8216bis) and MPDs (ISO/IEC 23009-1), read as a strict player reads them: anything
//! unknown fails.

use std::collections::BTreeMap;

/// Attributes by name, without quotes.
pub type Attributes = BTreeMap<String, String>;

/// A multivariant playlist.
#[derive(Debug, Default)]
pub struct Multivariant {
    /// EXT-X-STREAM-INF: URI and attributes.
    pub variants: Vec<(String, Attributes)>,
    /// EXT-X-MEDIA.
    pub renditions: Vec<Attributes>,
    /// EXT-X-I-FRAME-STREAM-INF, with its URI attribute.
    pub i_frames: Vec<Attributes>,
    /// Tags without a value.
    pub flags: Vec<String>,
}

/// A media playlist.
#[derive(Debug, Default)]
pub struct Playlist {
    /// EXT-X-TARGETDURATION, in seconds.
    pub target_s: u64,
    /// EXT-X-MAP.
    pub init: String,
    /// In order.
    pub segments: Vec<Segment>,
    /// Tags without a value.
    pub flags: Vec<String>,
}

/// A listed segment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Segment {
    /// Its URL.
    pub url: String,
    /// Its duration.
    pub duration_ns: i128,
}

/// Resolves a relative reference against `base` (RFC 3986 section 5.2). Both are paths.
pub fn resolve(base: &str, reference: &str) -> String {
    assert!(!reference.contains("://") && !reference.is_empty(), "not relative: {reference:?}");
    if reference.starts_with('/') {
        return reference.into();
    }
    let mut names: Vec<_> = base.split('/').collect();
    names.pop();
    for name in reference.split('/') {
        match name {
            "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join("/")
}

/// An attribute list (RFC 8216bis section 4.2).
fn attributes(mut list: &str) -> Attributes {
    let mut attributes = Attributes::new();
    while !list.is_empty() {
        let (name, rest) = list.split_once('=').expect("an attribute");
        let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(name.bytes().all(is_name), "{name:?}");
        let (value, rest) = match rest.strip_prefix('"') {
            Some(rest) => rest.split_once('"').expect("a closing quote"),
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        let before = attributes.insert(name.into(), value.into());
        assert_eq!(before, None, "{name} occurs twice");
        list = rest.strip_prefix(',').unwrap_or(rest);
        assert!(rest.is_empty() || !list.is_empty() && rest.len() > list.len(), "{rest:?}");
    }
    attributes
}

/// The lines that are tags or URIs. The first must be `#EXTM3U`.
fn lines(text: &[u8]) -> impl Iterator<Item = &str> {
    let text = str::from_utf8(text).expect("a playlist is UTF-8");
    assert!(!text.starts_with('\u{feff}') && !text.contains('\r'), "{text}");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("#EXTM3U"), "{text}");
    lines.filter(|line| !line.is_empty() && (line.starts_with("#EXT") || !line.starts_with('#')))
}

/// Reads the multivariant playlist of `url`.
pub fn multivariant(url: &str, text: &[u8]) -> Multivariant {
    let mut playlist = Multivariant::default();
    let mut variant = None;
    let absolute = |mut attributes: Attributes| {
        if let Some(uri) = attributes.get_mut("URI") {
            *uri = resolve(url, uri);
        }
        attributes
    };
    for line in lines(text) {
        if let Some(list) = line.strip_prefix("#EXT-X-STREAM-INF:") {
            assert!(variant.replace(attributes(list)).is_none(), "a variant without a URI");
        } else if let Some(list) = line.strip_prefix("#EXT-X-MEDIA:") {
            playlist.renditions.push(absolute(attributes(list)));
        } else if let Some(list) = line.strip_prefix("#EXT-X-I-FRAME-STREAM-INF:") {
            playlist.i_frames.push(absolute(attributes(list)));
        } else if line.starts_with('#') {
            playlist.flags.push(line.into());
        } else {
            let attributes = variant.take().expect("attributes of this variant");
            playlist.variants.push((resolve(url, line), attributes));
        }
    }
    assert!(variant.is_none(), "a variant without a URI");
    playlist
}

/// Reads the media playlist of `url`.
pub fn playlist(url: &str, text: &[u8]) -> Playlist {
    let mut playlist = Playlist::default();
    let mut duration_ns = None;
    for line in lines(text) {
        if let Some(value) = line.strip_prefix("#EXTINF:") {
            let (seconds, _title) = value.split_once(',').expect("a comma");
            assert!(duration_ns.replace(nanoseconds(seconds)).is_none(), "no URI before {line}");
        } else if let Some(value) = line.strip_prefix("#EXT-X-TARGETDURATION:") {
            playlist.target_s = value.parse().expect("an integer");
        } else if let Some(list) = line.strip_prefix("#EXT-X-MAP:") {
            assert!(playlist.init.is_empty(), "several maps");
            playlist.init = resolve(url, &attributes(list)["URI"]);
        } else if line.starts_with('#') {
            playlist.flags.push(line.into());
        } else {
            let duration_ns = duration_ns.take().expect("a duration before the URI");
            playlist.segments.push(Segment { url: resolve(url, line), duration_ns });
        }
    }
    assert_eq!(playlist.flags.last().map(String::as_str), Some("#EXT-X-ENDLIST"), "{url}");
    playlist
}

/// A decimal number of seconds.
fn nanoseconds(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    assert!((1..=9).contains(&fraction.len()), "{text:?}");
    let fraction: i128 = format!("{fraction:0<9}").parse().expect("digits");
    whole.parse::<i128>().expect("digits") * 1_000_000_000 + fraction
}

/// A Representation of an MPD with all its segments.
#[derive(Debug)]
pub struct Representation {
    /// Its own attributes and those of its AdaptationSet.
    pub attributes: Attributes,
    /// The URL of its initialization segment.
    pub init: String,
    /// In order.
    pub segments: Vec<Segment>,
    /// The presentation time of the first segment.
    pub start_ns: i128,
}

/// An element of XML.
#[derive(Debug, Default)]
pub struct Element {
    /// Its name, with a prefix if it has one.
    pub name: String,
    /// Its attributes.
    pub attributes: Attributes,
    /// Its child elements.
    pub children: Vec<Element>,
    /// Its text.
    pub text: String,
}

impl Element {
    /// The child elements of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    fn number(&self, name: &str) -> Option<i128> {
        self.attributes.get(name).map(|value| value.parse().expect("an integer"))
    }
}

/// Parses XML that has no DTD, CDATA or processing instructions except for the declaration.
pub fn xml(text: &str) -> Element {
    let mut open = vec![Element::default()];
    let mut rest = text.trim_start();
    if rest.starts_with("<?xml") {
        rest = rest.split_once("?>").expect("the end of the declaration").1;
    }
    while let Some((before, after)) = rest.split_once('<') {
        open.last_mut().expect("the document").text.push_str(before.trim());
        if let Some(comment) = after.strip_prefix("!--") {
            rest = comment.split_once("-->").expect("the end of the comment").1;
            continue;
        }
        let (tag, after) = after.split_once('>').expect("the end of the tag");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let element = open.pop().expect("an open element");
            assert_eq!(element.name, name.trim(), "elements overlap");
            open.last_mut().expect("the document").children.push(element);
            continue;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, mut list) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        let mut element = Element { name: name.into(), ..Element::default() };
        while let Some((name, value)) = list.split_once("=\"") {
            let (value, after) = value.split_once('"').expect("a closing quote");
            list = after;
            let before = element.attributes.insert(name.trim().into(), unescaped(value));
            assert_eq!(before, None, "{name} occurs twice");
        }
        assert_eq!(list.trim(), "", "{tag}");
        if is_empty {
            open.last_mut().expect("the document").children.push(element);
        } else {
            open.push(element);
        }
    }
    assert_eq!((open.len(), rest.trim()), (1, ""), "elements are left open");
    let mut document = open.remove(0);
    assert_eq!(document.children.len(), 1, "one root");
    document.children.remove(0)
}

fn unescaped(text: &str) -> String {
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    plain.iter().fold(text.into(), |text: String, (coded, plain)| text.replace(coded, plain))
}

/// An MPD lasts exactly until the end of its last segment: dash.js stops where the MPD ends, and goes back from
/// there if there is no media.
#[track_caller]
pub fn assert_lasts_until_its_end(url: &str, text: &[u8]) {
    let ends = representations(url, text).into_iter().map(|of| {
        of.start_ns + of.segments.iter().map(|segment| segment.duration_ns).sum::<i128>()
    });
    let end_us = ends.max().expect("a representation") / 1000;
    let mpd = xml(str::from_utf8(text).expect("an MPD is UTF-8"));
    let duration = &mpd.attributes["mediaPresentationDuration"];
    let digits = duration.trim_start_matches("PT").trim_end_matches('S').replace('.', "");
    let duration_us: i128 = digits.parse().expect("seconds with six decimals");
    assert!((duration_us - end_us).abs() <= 1, "{duration}, and the end is at {end_us} us");
}

/// The video and audio representations of the MPD of `url`, with one Period.
pub fn representations(url: &str, text: &[u8]) -> Vec<Representation> {
    let mpd = xml(str::from_utf8(text).expect("an MPD is UTF-8"));
    assert_eq!(mpd.attributes["type"], "static");
    let [period] = mpd.all("Period").collect::<Vec<_>>()[..] else { panic!("several periods") };
    let based = |base: &str, element: &Element| {
        let reference = element.all("BaseURL").next().map(|reference| reference.text.clone());
        reference.map_or(base.to_owned(), |reference| resolve(base, &unescaped(&reference)))
    };
    let base = based(&based(url, &mpd), period);
    let mut found = Vec::new();
    for set in period.all("AdaptationSet") {
        let base = based(&base, set);
        for representation in set.all("Representation") {
            let base = based(&base, representation);
            let mut attributes = set.attributes.clone();
            attributes.extend(representation.attributes.clone());
            let is_media = |kind: &String| kind.starts_with("video/") || kind.starts_with("audio/");
            if !attributes.get("mimeType").is_some_and(is_media) {
                continue;
            }
            let templates =
                [representation, set].map(|element| element.all("SegmentTemplate").next());
            let template = templates.into_iter().flatten().next().expect("a template");
            let id = &representation.attributes["id"];
            let filled = |name: &str, number: Option<i128>| {
                let pattern = template.attributes[name].replace("$RepresentationID$", id);
                let number = number.map(|number| number.to_string()).unwrap_or_default();
                let reference = pattern.replace("$Number$", &number);
                assert!(!reference.contains('$'), "{pattern}");
                resolve(&base, &reference)
            };
            let scale = template.number("timescale").unwrap_or(1);
            let first = template.number("startNumber").unwrap_or(1);
            let ns = |ticks: i128| (ticks * 1_000_000_000 + scale / 2).div_euclid(scale);
            let timeline = template.all("SegmentTimeline").next().expect("a timeline");
            let mut at = 0;
            let mut start = None;
            let mut segments = Vec::new();
            for run in timeline.all("S") {
                let begin = run.number("t").unwrap_or(at);
                assert!(segments.is_empty() || begin == at, "a gap in the timeline");
                start.get_or_insert(begin);
                let duration = run.number("d").expect("a duration");
                at = begin;
                for _ in 0..=run.number("r").unwrap_or(0) {
                    let number = first + segments.len() as i128;
                    // Ends are rounded, not durations, so that they add up.
                    let duration_ns = ns(at + duration) - ns(at);
                    at += duration;
                    segments.push(Segment { url: filled("media", Some(number)), duration_ns });
                }
            }
            let offset = template.number("presentationTimeOffset").unwrap_or(0);
            let start_ns = ns(start.expect("a segment") - offset);
            found.push(Representation {
                attributes,
                init: filled("initialization", None),
                segments,
                start_ns,
            });
        }
    }
    found
}

#[test]
fn the_reader_parses_a_playlist_and_an_mpd() {
    let text = b"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"init.mp4\"\n\
        #EXTINF:4.000000,\n1.m4s\n# a comment\n#EXTINF:1.5,\n../x/2.m4s\n#EXT-X-ENDLIST\n";
    let read = playlist("/v/a/video-1/media.m3u8", text);
    assert_eq!((read.target_s, read.init.as_str()), (4, "/v/a/video-1/init.mp4"));
    let segment = |url: &str, duration_ns| Segment { url: url.into(), duration_ns };
    let (first, second) = ("/v/a/video-1/1.m4s", "/v/a/x/2.m4s");
    assert_eq!(read.segments[..], [segment(first, 4_000_000_000), segment(second, 1_500_000_000)]);
    let list = attributes("BANDWIDTH=5,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1x2");
    assert_eq!(list["CODECS"], "avc1.64001f,mp4a.40.2");
    assert_eq!(list["RESOLUTION"], "1x2");
    let text = b"<?xml version=\"1.0\"?>\n<MPD type=\"static\"><!-- > --><Period><AdaptationSet \
        mimeType=\"video/mp4\"><SegmentTemplate timescale=\"10\" media=\"a&amp;b/$Number$.m4s\" \
        initialization=\"init.mp4\"><SegmentTimeline><S t=\"0\" d=\"40\" r=\"1\"/><S d=\"5\"/>\
        </SegmentTimeline></SegmentTemplate><Representation id=\"x\" bandwidth=\"7\"/>\
        </AdaptationSet></Period></MPD>";
    let read = representations("/v/a/manifest.mpd", text).remove(0);
    assert_eq!(read.attributes["bandwidth"], "7");
    assert_eq!((read.start_ns, read.init.as_str()), (0, "/v/a/init.mp4"));
    assert_eq!(read.segments[2], segment("/v/a/a&b/3.m4s", 500_000_000));
}
