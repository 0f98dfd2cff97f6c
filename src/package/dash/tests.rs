//! The MPD, parsed by another library and compared literally.

use dash_mpd_core::{AdaptationSet, MPD, SegmentTemplate};
use proptest::prelude::*;

use super::manifest;
use crate::package::{
    bit_rate::BitRate,
    presentation::{
        Audio, Kind, Presentation, Protection, Ratio, Segment, System, Text, Track, VideoRange,
        samples::{audio, segments, text, title, video, with_video},
    },
    roles::Role,
    storyboard::{Geometry, Storyboard},
};

fn read(text: &str) -> MPD {
    let read = dash_mpd_core::parse(text).expect("readable");
    assert_eq!(read.mpdtype.as_deref(), Some("static"));
    assert_eq!(read.periods.len(), 1);
    read
}

fn sets(tracks: Vec<Track>) -> Vec<AdaptationSet> {
    read(&manifest(&title(tracks))).periods.remove(0).adaptations
}

fn roles(set: &AdaptationSet) -> Vec<&str> {
    set.Role.iter().filter_map(|role| role.value.as_deref()).collect()
}

/// The segments of a timeline, as (start, duration).
fn expand(template: &SegmentTemplate) -> Vec<(u64, u64)> {
    let timeline = template.SegmentTimeline.as_ref().expect("a timeline");
    let mut at = 0;
    let mut segments = Vec::new();
    for entry in &timeline.segments {
        at = entry.t.unwrap_or(at);
        for _ in 0..=entry.r.unwrap_or(0) {
            segments.push((at, entry.d));
            at += entry.d;
        }
    }
    segments
}

fn times(track: &Track) -> Vec<(u64, u64)> {
    track.segments.iter().map(|segment| (segment.start, segment.duration)).collect()
}

#[test]
fn a_title_is_one_period_of_adaptation_sets() {
    let expected = "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" \
profiles=\"urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:full:2011\" type=\"static\" mediaPresentationDuration=\"PT16.516500S\" minBufferTime=\"PT6.016000S\">
<ProgramInformation>
<Title>A title</Title>
</ProgramInformation>
<Period id=\"0\" start=\"PT0S\">
<AdaptationSet id=\"1\" contentType=\"video\" mimeType=\"video/mp4\" segmentAlignment=\"true\" \
startWithSAP=\"1\" maxWidth=\"1280\" maxHeight=\"720\" maxFrameRate=\"24000/1001\" par=\"16:9\">
<Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"main\"/>
<Representation id=\"video-1\" bandwidth=\"799201\" codecs=\"avc1.64001f\" width=\"1280\" \
height=\"720\" sar=\"1:1\" frameRate=\"24000/1001\">
<BaseURL>~00112233445566ff/video-1/</BaseURL>
<SegmentTemplate timescale=\"24000\" presentationTimeOffset=\"0\" startNumber=\"1\" \
initialization=\"init.mp4\" media=\"$Number$.m4s\">
<SegmentTimeline>
<S t=\"0\" d=\"144144\" r=\"1\"/>
<S d=\"108108\"/>
</SegmentTimeline>
</SegmentTemplate>
</Representation>
</AdaptationSet>
<AdaptationSet id=\"2\" contentType=\"audio\" mimeType=\"audio/mp4\" segmentAlignment=\"true\" \
startWithSAP=\"1\" lang=\"en\">
<Label>English</Label>
<Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"main\"/>
<Representation id=\"audio-1\" bandwidth=\"129740\" codecs=\"mp4a.40.2\" \
audioSamplingRate=\"48000\">
<AudioChannelConfiguration schemeIdUri=\"urn:mpeg:mpegB:cicp:ChannelConfiguration\" value=\"2\"/>
<BaseURL>~00112233445566ff/audio-1/</BaseURL>
<SegmentTemplate timescale=\"48000\" presentationTimeOffset=\"0\" startNumber=\"1\" \
initialization=\"init.mp4\" media=\"$Number$.m4s\">
<SegmentTimeline>
<S t=\"0\" d=\"288768\"/>
<S d=\"287744\"/>
<S d=\"216064\"/>
</SegmentTimeline>
</SegmentTemplate>
</Representation>
</AdaptationSet>
<AdaptationSet id=\"3\" contentType=\"text\" mimeType=\"text/vtt\" \
profiles=\"urn:mpeg:dash:profile:full:2011\" lang=\"en\">
<Label>Subtitles</Label>
<Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"subtitle\"/>
<Representation id=\"text-1\" bandwidth=\"400\">
<BaseURL>~00112233445566ff/text-1/all.vtt</BaseURL>
</Representation>
</AdaptationSet>
</Period>
</MPD>
";
    let presentation = title(vec![
        video("video-1"),
        audio("audio-1", "mp4a.40.2", "English"),
        text("text-1", "Subtitles"),
    ]);
    assert_eq!(manifest(&presentation), expected);
    let read = read(expected);
    let duration = read.mediaPresentationDuration.expect("a duration");
    assert_eq!(duration.as_micros(), 16_516_500);
}

/// The template of each representation of a set, which has none itself.
fn templates(set: &AdaptationSet) -> Vec<&SegmentTemplate> {
    assert!(
        set.SegmentTemplate.is_none(),
        "a player may resolve it against the base URL of the set"
    );
    let template = |r: &'_ dash_mpd_core::Representation| r.SegmentTemplate.is_some();
    assert!(set.representations.iter().all(template));
    set.representations.iter().filter_map(|r| r.SegmentTemplate.as_ref()).collect()
}

#[test]
fn renditions_with_equal_segments_are_one_set() {
    let low = with_video(video("video-1"), |video| (video.width, video.height) = (640, 360));
    let low = Track { prefix: "../low.mp4/".to_owned(), ..low };
    let sets = sets(vec![video("video-1"), low]);
    assert_eq!(sets.len(), 1);
    for template in templates(&sets[0]) {
        assert_eq!(expand(template), times(&video("video-1")));
    }
    let [high, low] = &sets[0].representations[..] else { panic!("two representations") };
    assert_eq!(low.BaseURL[0].base, "../low.mp4/~00112233445566ff/video-1/");
    assert_eq!(high.id.as_deref(), Some("video-1"));
    assert_eq!(low.id.as_deref(), Some("video-1-2"), "identifiers are unique");
    assert_eq!((low.width, low.height), (Some(640), Some(360)));
}

#[test]
fn renditions_with_another_timescale_share_the_set_and_have_own_timelines() {
    let mut other = video("video-2");
    other.timescale = 48_000.try_into().expect("not zero");
    // One tick of the coarser timescale early, because of rounding.
    other.segments = segments(&[(288_286, 1), (288_290, 1), (216_216, 1)]);
    let sets = sets(vec![video("video-1"), other.clone()]);
    assert_eq!(sets.len(), 1);
    let templates = templates(&sets[0]);
    assert_eq!(
        templates.iter().map(|t| t.timescale).collect::<Vec<_>>(),
        [Some(24_000), Some(48_000)]
    );
    assert_eq!(expand(templates[1]), times(&other));
}

#[test]
fn a_set_has_the_maxima_of_its_representations_and_the_language_they_share() {
    let rendition = |folder, size, rate, language: Option<&str>| {
        let track = with_video(video(folder), |video| {
            (video.width, video.height) = size;
            video.frame_rate = Ratio::new(rate, 1001);
        });
        Track { language: language.map(str::to_owned), ..track }
    };
    let wide = rendition("video-1", (1920, 800), 24_000, Some("de"));
    let tall = rendition("video-2", (1080, 1080), 60_000, Some("de"));
    let set = sets(vec![wide.clone(), tall]).remove(0);
    assert_eq!((set.maxWidth, set.maxHeight), (Some(1920), Some(1080)));
    assert_eq!(set.maxFrameRate.as_deref(), Some("60000/1001"));
    assert_eq!(set.lang.as_deref(), Some("de"));
    let other = rendition("video-2", (1920, 800), 24_000, None);
    assert_eq!(sets(vec![wide, other])[0].lang, None);
}

#[test]
fn only_text_is_outside_the_live_profile() {
    let live = "urn:mpeg:dash:profile:isoff-live:2011";
    let full = "urn:mpeg:dash:profile:full:2011";
    let profiles = |tracks| read(&manifest(&title(tracks))).profiles.expect("profiles");
    assert_eq!(profiles(vec![video("video-1")]), live);
    assert_eq!(profiles(vec![video("video-1"), text("text-1", "")]), format!("{live},{full}"));
    let sets = sets(vec![video("video-1"), text("text-1", "")]);
    assert_eq!((sets[0].profiles.as_deref(), sets[1].profiles.as_deref()), (None, Some(full)));
}

#[test]
fn roles_of_the_file_are_roles_and_accessibility() {
    let main = audio("audio-1", "mp4a.40.2", "English");
    let description = Track {
        roles: vec![Role::Description, Role::Dub],
        ..audio("audio-2", "mp4a.40.2", "English")
    };
    let sets = sets(vec![main, description]);
    assert_eq!(roles(&sets[0]), ["main"]);
    assert_eq!(roles(&sets[1]), ["alternate", "description", "dub"]);
    let [purpose] = &sets[1].Accessibility[..] else { panic!("one") };
    assert_eq!(purpose.schemeIdUri, "urn:tva:metadata:cs:AudioPurposeCS:2007");
    assert_eq!(purpose.value.as_deref(), Some("1"));
    assert!(sets[0].Accessibility.is_empty());
}

#[test]
fn renditions_that_a_client_cannot_switch_between_are_separate_sets() {
    let mut uneven = video("video-2");
    uneven.segments = segments(&[(144_142, 1), (144_146, 1), (108_108, 1)]);
    let mut shorter = video("video-3");
    shorter.segments = segments(&[(144_144, 1), (144_144, 1)]);
    let hevc = Track { codecs: "hvc1.1.6.L93.B0".to_owned(), ..video("video-4") };
    let main = Track { codecs: "avc1.4d401f".to_owned(), ..video("video-5") };
    let bright = with_video(video("video-6"), |video| video.range = VideoRange::Pq);
    let sets = sets(vec![video("video-1"), uneven, shorter, hevc, main, bright]);
    let ids: Vec<Vec<_>> = sets
        .iter()
        .map(|set| set.representations.iter().filter_map(|r| r.id.as_deref()).collect())
        .collect();
    let expected: [&[&str]; 5] =
        [&["video-1", "video-5"], &["video-2"], &["video-3"], &["video-4"], &["video-6"]];
    assert_eq!(ids, expected);
}

#[test]
fn a_set_has_the_aspect_ratio_that_its_representations_share() {
    let pal = |folder, numerator| {
        with_video(video(folder), |video| {
            (video.width, video.height) = (720, 576);
            video.pixel_aspect = Ratio::new(numerator, 45).expect("a ratio");
            video.frame_rate = Ratio::new(50, 2);
        })
    };
    let sets_of_one = sets(vec![pal("video-1", 64)]);
    assert_eq!(sets_of_one[0].par.as_deref(), Some("16:9"));
    let representation = &sets_of_one[0].representations[0];
    assert_eq!(representation.sar.as_deref(), Some("64:45"));
    assert_eq!(representation.frameRate.as_deref(), Some("25"));
    assert_eq!(sets(vec![pal("video-1", 64), pal("video-2", 48)])[0].par, None);
}

#[test]
fn a_video_range_is_essential_only_if_another_is_playable() {
    let bright = |range| {
        with_video(video("video-2"), |video| {
            (video.range, video.primaries, video.matrix) = (range, Some(9), Some(9));
        })
    };
    let points = |properties: &[dash_mpd_core::SupplementalProperty]| -> Vec<String> {
        let point = |scheme: &str| scheme.rsplit(':').next().expect("a name").to_owned();
        properties
            .iter()
            .map(|it| format!("{} {}", point(&it.schemeIdUri), it.value.as_deref().unwrap_or("")))
            .collect()
    };
    let alone = sets(vec![bright(VideoRange::Hlg)]);
    assert!(alone[0].essential_property.is_empty());
    let hlg = ["ColourPrimaries 9", "TransferCharacteristics 18", "MatrixCoefficients 9"];
    assert_eq!(points(&alone[0].supplemental_property), hlg);
    let beside = sets(vec![video("video-1"), bright(VideoRange::Pq)]);
    assert!(beside[0].essential_property.is_empty() && beside[0].supplemental_property.is_empty());
    assert!(beside[1].supplemental_property.is_empty());
    let essential = &beside[1].essential_property;
    assert_eq!(
        essential.iter().map(|it| it.value.as_deref()).collect::<Vec<_>>(),
        [Some("9"), Some("16"), Some("9")]
    );
    assert_eq!(essential[1].schemeIdUri, "urn:mpeg:mpegB:cicp:TransferCharacteristics");
    // Dolby Vision of profile 5 specifies neither primaries nor a matrix.
    let unspecified = with_video(video("video-1"), |video| video.range = VideoRange::Pq);
    let alone = sets(vec![unspecified]);
    assert_eq!(points(&alone[0].supplemental_property), ["TransferCharacteristics 16"]);
}

#[test]
fn dolby_vision_is_a_supplemental_codec_with_its_profile() {
    let track = with_video(video("video-1"), |video| {
        video.supplemental_codecs = Some("dvh1.08.07/db4h".to_owned());
    });
    let text = manifest(&title(vec![track]));
    read(&text);
    assert!(text.contains(" xmlns:scte214=\"urn:scte:dash:scte214-extensions\""));
    let attributes =
        "scte214:supplementalCodecs=\"dvh1.08.07\" scte214:supplementalProfiles=\"db4h\"";
    assert!(text.contains(attributes));
    assert!(!manifest(&title(vec![video("video-1")])).contains("scte214"));
}

#[test]
fn each_audio_track_is_a_set_and_one_is_the_main() {
    let tracks = vec![audio("audio-1", "mp4a.40.2", "Same"), audio("audio-2", "mp4a.40.2", "Same")];
    let roles_of = |tracks| {
        let sets = sets(tracks);
        sets.iter().map(|set| roles(set).join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(roles_of(tracks.clone()), ["main", "alternate"]);
    let mut marked = tracks;
    marked[1].is_default = true;
    assert_eq!(roles_of(marked), ["alternate", "main"]);
}

#[test]
fn channel_configurations_use_the_scheme_of_the_codec() {
    let configuration = |codecs, channels, joint_objects| {
        let kind = Kind::Audio(Audio { channels, joint_objects, sample_rate_hz: 48_000 });
        let track = Track { kind, ..audio("audio-1", codecs, "") };
        let representation = sets(vec![track]).remove(0).representations.remove(0);
        let supplements: Vec<_> =
            representation.supplemental_property.into_iter().filter_map(|p| p.value).collect();
        let mut configurations = representation.AudioChannelConfiguration.into_iter();
        let first = configurations.next();
        let channels = first.map(|it| (it.schemeIdUri, it.value.unwrap_or_default()));
        (channels, supplements)
    };
    let cicp = "urn:mpeg:mpegB:cicp:ChannelConfiguration".to_owned();
    let dolby = "tag:dolby.com,2014:dash:audio_channel_configuration:2011".to_owned();
    assert_eq!(configuration("opus", 8, None).0, Some((cicp, "12".to_owned())));
    assert_eq!(configuration("ac-3", 2, None).0, Some((dolby.clone(), "A000".to_owned())));
    assert_eq!(configuration("mp4a.40.2", 0, None).0, None);
    assert_eq!(configuration("opus", 255, None).0, None);
    let (channels, supplements) = configuration("ec-3", 6, Some(16));
    assert_eq!(channels, Some((dolby, "F801".to_owned())));
    assert_eq!(supplements, ["JOC", "16"]);
}

#[test]
fn text_is_one_file_with_a_role() {
    let kind = |forced, hearing_impaired| Kind::Text(Text { forced, hearing_impaired });
    let sets = sets(vec![
        Track { is_default: true, ..text("text-1", "English") },
        Track { kind: kind(true, false), ..text("text-2", "English") },
        Track { kind: kind(false, true), language: None, ..text("text-3", "") },
    ]);
    assert_eq!(
        sets.iter().map(roles).collect::<Vec<_>>(),
        [&["subtitle", "main"][..], &["forced-subtitle"], &["caption"]]
    );
    assert!(sets.iter().all(|set| set.mimeType.as_deref() == Some("text/vtt")));
    assert_eq!(sets[1].representations[0].BaseURL[0].base, "~00112233445566ff/text-2/all.vtt");
    assert!(sets[1].representations[0].SegmentTemplate.is_none());
    assert_eq!((sets[0].lang.as_deref(), sets[2].lang.as_deref()), (Some("en"), None));
}

#[test]
fn a_base_url_survives_xml_escaping() {
    let prefix = "../Tom%20&%20'Jerry'$Number$<\u{e9}>/".to_owned();
    let sets = sets(vec![Track { prefix, ..video("video-1") }]);
    let base = &sets[0].representations[0].BaseURL[0].base;
    assert_eq!(base, "../Tom%20&%20'Jerry'$Number$%3C%C3%A9%3E/~00112233445566ff/video-1/");
}

#[test]
fn a_segment_of_an_hour_does_not_delay_playback() {
    let mut long = video("video-1");
    long.segments = segments(&[(24_000 * 3600, 1)]);
    let read = read(&manifest(&title(vec![long])));
    assert_eq!(read.minBufferTime.expect("a buffer time").as_secs(), 10);
}

#[test]
fn a_bandwidth_is_the_peak_and_never_zero() {
    let mut silent = text("text-1", "");
    silent.segments = segments(&[(6000, 0)]);
    let sets = sets(vec![video("video-1"), silent]);
    let bandwidths: Vec<_> = sets.iter().map(|set| set.representations[0].bandwidth).collect();
    assert_eq!(bandwidths, [Some(BitRate::from_track(&video("video-1")).peak), Some(1)]);
}

proptest! {
    #[test]
    fn a_timeline_expands_to_exactly_the_segments(
        runs in prop::collection::vec((0_u64..3, 1_u64..4, 1_usize..6), 1..40),
    ) {
        let mut track = video("video-1");
        let mut at = 0;
        let mut segments = Vec::new();
        for (gap, duration, count) in runs {
            at += gap;
            for _ in 0..count {
                segments.push(Segment { start: at, duration, bytes: 1 });
                at += duration;
            }
        }
        track.segments = segments.into();
        let sets = sets(vec![track.clone()]);
        let template = templates(&sets[0])[0];
        prop_assert_eq!(expand(template), times(&track));
        prop_assert_eq!((template.startNumber, template.presentationTimeOffset), (Some(1), Some(0)));
    }

    #[test]
    fn no_name_breaks_an_mpd(
        names in prop::collection::vec(any::<String>(), 3),
        language in any::<String>(),
    ) {
        let mut tracks = vec![
            audio("audio-1", "mp4a.40.2", &format!("<\"&'>]]>\u{0}\u{ffff}{}", names[0])),
            text("text-1", &names[1]),
        ];
        tracks[1].language = Some(language);
        let named = Presentation { title: format!("</MPD>{}", names[2]), ..title(tracks) };
        let text = manifest(&named);
        let is_forbidden = |c: char| c != '\n' && c.is_control() || c == '\u{ffff}';
        prop_assert!(!text.contains(is_forbidden));
        let sets = read(&text).periods.remove(0).adaptations;
        prop_assert_eq!(sets.len(), 2);
        let label = &sets[0].Label[0].content;
        prop_assert!(label.starts_with("<\"&'>]]>"), "{}", label);
        prop_assert!(!sets[1].Label[0].content.is_empty());
    }
}

#[test]
fn sets_have_content_protection_and_representations_if_keys_differ() {
    let protected = |mut track: Track, key: u8| {
        let system = System { id: [0xcd; 16], headers: (&b"pssh"[..]).into() };
        let systems = [system].into();
        track.protection = Some(Protection { scheme: *b"cbcs", key_id: [key; 16], systems });
        track
    };
    let clear_audio = audio("audio-1", "mp4a.40.2", "");
    let tracks = vec![protected(video("video-1"), 1), protected(clear_audio.clone(), 2)];
    let text = manifest(&title(tracks));
    assert!(text.contains(" xmlns:cenc=\"urn:mpeg:cenc:2013\" "), "{text}");
    let expected = "\
<ContentProtection schemeIdUri=\"urn:mpeg:dash:mp4protection:2011\" value=\"cbcs\" \
cenc:default_KID=\"01010101-0101-0101-0101-010101010101\"/>
<ContentProtection schemeIdUri=\"urn:uuid:cdcdcdcd-cdcd-cdcd-cdcd-cdcdcdcdcdcd\">
<cenc:pssh>cHNzaA==</cenc:pssh>
</ContentProtection>
<Role ";
    assert!(text.contains(expected), "{text}");
    let kids = |text: &str| text.matches("cenc:default_KID").count();
    assert_eq!(kids(&text), 2);
    let sets = read(&text).periods.remove(0).adaptations;
    assert_eq!(sets.iter().map(|set| set.ContentProtection.len()).collect::<Vec<_>>(), [2, 2]);

    let alike = vec![protected(video("video-1"), 1), protected(video("video-2"), 1)];
    assert_eq!(kids(&manifest(&title(alike))), 1);
    let apart = vec![protected(video("video-1"), 1), protected(video("video-2"), 2), clear_audio];
    let text = manifest(&title(apart));
    let sets = read(&text).periods.remove(0).adaptations;
    let protections =
        |representation: &dash_mpd_core::Representation| representation.ContentProtection.len();
    assert!(sets[0].ContentProtection.is_empty());
    assert_eq!(sets[0].representations.iter().map(protections).collect::<Vec<_>>(), [2, 2]);
    assert!(sets[1].ContentProtection.is_empty(), "clear tracks have no protection");
}

#[test]
fn a_storyboard_is_a_set_of_sheets_of_tiles() {
    let storyboard = Storyboard {
        prefix: "../a%20movie.mp4/".to_owned(),
        version: "00112233445566ff".to_owned(),
        geometry: Geometry::new(16_517, (1080, 1920)),
    };
    let presentation = title(vec![video("video-1"), audio("audio-1", "mp4a.40.2", "English")]);
    let mut read = read(&manifest(&Presentation { storyboard: Some(storyboard), ..presentation }));
    let sets = read.periods.remove(0).adaptations;
    assert_eq!(sets.len(), 3);
    let set = &sets[2];
    assert_eq!(set.contentType.as_deref(), Some("image"));
    assert_eq!(set.mimeType.as_deref(), Some("image/jpeg"));
    let template = templates(set)[0];
    assert_eq!(template.media.as_deref(), Some("$Number$.jpg"));
    assert_eq!((template.timescale, template.startNumber), (Some(1000), Some(1)));
    assert_eq!(template.duration, Some(25_000.0));
    let sheets = &set.representations[0];
    assert_eq!((sheets.width, sheets.height), (Some(1200), Some(2130)));
    assert_eq!(sheets.BaseURL[0].base, "../a%20movie.mp4/~00112233445566ff/storyboard/");
    let tiles = &sheets.essential_property[0];
    assert_eq!(tiles.schemeIdUri, "http://dashif.org/guidelines/thumbnail_tile");
    assert_eq!(tiles.value.as_deref(), Some("5x5"));
}
