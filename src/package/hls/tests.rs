//! The playlists, parsed by another library and compared literally.

use m3u8_rs::{AlternativeMedia, MasterPlaylist, MediaPlaylistType, VariantStream};
use proptest::prelude::*;

use super::{iframes, images, media, multivariant};
use crate::package::{
    bit_rate::BitRate,
    presentation::{
        Audio, Kind, Presentation, Protection, Ratio, Segment, System, Text, Track, VideoRange,
        samples::{audio, segments, text, title, video, with_video},
        share_target_duration,
    },
    roles::Role,
    storyboard::{Geometry, Storyboard},
};

fn read(playlist: &str) -> MasterPlaylist {
    let (rest, read) = m3u8_rs::parse_master_playlist(playlist.as_bytes()).expect("readable");
    assert!(rest.is_empty(), "unparsed rest");
    assert!(read.unknown_tags.is_empty(), "{:?}", read.unknown_tags);
    assert!(read.independent_segments);
    assert_eq!(read.version, Some(7));
    read
}

fn read_title(tracks: Vec<Track>) -> MasterPlaylist {
    read(&multivariant(&title(tracks)))
}

fn group<'a>(playlist: &'a MasterPlaylist, id: &str) -> Vec<&'a AlternativeMedia> {
    playlist.alternatives.iter().filter(|media| media.group_id == id).collect()
}

fn streams(playlist: &MasterPlaylist) -> Vec<&VariantStream> {
    playlist.variants.iter().filter(|variant| !variant.is_i_frame).collect()
}

fn codecs(playlist: &MasterPlaylist) -> Vec<&str> {
    streams(playlist).iter().filter_map(|stream| stream.codecs.as_deref()).collect()
}

fn other(stream: &VariantStream, name: &str) -> Option<String> {
    let others = stream.other_attributes.as_ref()?;
    others.get(name).map(|value| value.as_str().to_owned())
}

/// The EXTINF durations of a playlist in microseconds, read without floats.
fn durations_us(playlist: &str) -> Vec<u64> {
    let durations = playlist.lines().filter_map(|line| line.strip_prefix("#EXTINF:"));
    durations
        .map(|duration| {
            let (seconds, decimals) =
                duration.strip_suffix(',').and_then(|d| d.split_once('.')).expect("a decimal");
            assert_eq!(decimals.len(), 6);
            format!("{seconds}{decimals}").parse().expect("digits")
        })
        .collect()
}

#[test]
fn a_media_playlist_lists_every_segment_with_its_exact_duration() {
    let expected = "\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-TARGETDURATION:6
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI=\"init.mp4\"
#EXTINF:6.006000,
1.m4s
#EXTINF:6.006000,
2.m4s
#EXTINF:4.504500,
3.m4s
#EXT-X-ENDLIST
";
    let playlist = media(&video("video-1"));
    assert_eq!(playlist, expected);
    let read = m3u8_rs::parse_media_playlist_res(playlist.as_bytes()).expect("readable");
    assert_eq!(read.segments.len(), 3);
    assert_eq!(read.playlist_type, Some(MediaPlaylistType::Vod));
    assert!(read.end_list && read.independent_segments && !read.i_frames_only);
    assert_eq!(read.segments[0].map.as_ref().map(|map| map.uri.as_str()), Some("init.mp4"));
}

#[test]
fn a_key_frame_has_the_duration_of_its_segment() {
    let playlist = iframes(&video("video-1")).expect("key frames");
    let read = m3u8_rs::parse_media_playlist_res(playlist.as_bytes()).expect("readable");
    assert!(read.i_frames_only && read.end_list);
    assert_eq!(read.segments[0].map.as_ref().map(|map| map.uri.as_str()), Some("init.mp4"));
    let uris: Vec<_> = read.segments.iter().map(|segment| segment.uri.as_str()).collect();
    assert_eq!(uris, ["i-1.m4s", "i-2.m4s", "i-3.m4s"]);
    assert_eq!(durations_us(&playlist), durations_us(&media(&video("video-1"))));

    let without = with_video(video("video-1"), |video| video.iframes = [].into());
    assert_eq!(iframes(&without), None);
    assert_eq!(iframes(&audio("audio-1", "mp4a.40.2", "")), None);
}

#[test]
fn a_text_playlist_has_no_initialization_section() {
    let playlist = media(&text("text-1", "English"));
    assert!(!playlist.contains("EXT-X-MAP"));
    let read = m3u8_rs::parse_media_playlist_res(playlist.as_bytes()).expect("readable");
    let uris: Vec<_> = read.segments.iter().map(|segment| segment.uri.as_str()).collect();
    assert_eq!(uris, ["1.vtt", "2.vtt", "3.vtt"]);
}

#[test]
fn playlist_time_is_presentation_time_despite_late_starts_and_gaps() {
    let mut late = audio("audio-1", "mp4a.40.2", "");
    let segment = |start, duration| Segment { start, duration, bytes: 1 };
    late.segments =
        [segment(24_000, 264_000), segment(288_000, 96_000), segment(480_000, 96_000)].into();
    assert_eq!(durations_us(&media(&late)), [6_000_000, 4_000_000, 2_000_000]);
}

#[test]
fn video_and_audio_of_a_file_share_one_target_duration() {
    let mut tracks = vec![video("video-1"), audio("audio-1", "mp4a.40.2", ""), text("text-1", "")];
    tracks[0].segments = segments(&[(24_000 * 13 / 2 - 1, 1)]);
    tracks[1].segments = segments(&[(48_000 * 13 / 2, 1)]);
    let target = |track: &Track| {
        let read = m3u8_rs::parse_media_playlist_res(media(track).as_bytes()).expect("readable");
        read.target_duration
    };
    assert_eq!(tracks.iter().map(target).collect::<Vec<_>>(), [6, 7, 6]);
    share_target_duration(&mut tracks);
    assert_eq!(tracks.iter().map(target).collect::<Vec<_>>(), [7, 7, 6]);
}

#[test]
fn each_video_track_with_each_audio_codec_is_a_variant() {
    let mut surround = audio("audio-2", "ac-3", "Surround");
    surround.kind = Kind::Audio(Audio { channels: 6, joint_objects: None, sample_rate_hz: 48_000 });
    let mut low = with_video(video("video-1"), |video| (video.width, video.height) = (640, 360));
    low.prefix = "../small%20movie.mp4/".to_owned();
    let presentation = Presentation {
        start_us: Some(1_500_000),
        ..title(vec![
            video("video-1"),
            low,
            surround,
            audio("audio-1", "mp4a.40.2", "Stereo"),
            text("text-1", "English"),
        ])
    };
    let expected = "\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-START:TIME-OFFSET=1.500000,PRECISE=YES
#EXT-X-SESSION-DATA:DATA-ID=\"com.apple.hls.title\",VALUE=\"A title\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio-1\",NAME=\"Stereo\",LANGUAGE=\"en\",DEFAULT=YES,\
AUTOSELECT=YES,CHANNELS=\"2\",URI=\"~00112233445566ff/audio-1/media.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio-2\",NAME=\"Surround\",LANGUAGE=\"en\",DEFAULT=YES,\
AUTOSELECT=YES,CHANNELS=\"6\",URI=\"~00112233445566ff/audio-2/media.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio-2\",NAME=\"Stereo\",LANGUAGE=\"en\",DEFAULT=NO,\
AUTOSELECT=NO,CHANNELS=\"2\",URI=\"~00112233445566ff/audio-1/media.m3u8\"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subtitles\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=NO,\
AUTOSELECT=YES,FORCED=NO,URI=\"~00112233445566ff/text-1/media.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=929341,AVERAGE-BANDWIDTH=782575,CODECS=\"avc1.64001f,mp4a.40.2\",\
RESOLUTION=1280x720,VIDEO-RANGE=SDR,FRAME-RATE=23.976,AUDIO=\"audio-1\",SUBTITLES=\"subtitles\",\
CLOSED-CAPTIONS=NONE
~00112233445566ff/video-1/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=929341,AVERAGE-BANDWIDTH=782575,CODECS=\"avc1.64001f,mp4a.40.2\",\
RESOLUTION=640x360,VIDEO-RANGE=SDR,FRAME-RATE=23.976,AUDIO=\"audio-1\",SUBTITLES=\"subtitles\",\
CLOSED-CAPTIONS=NONE
../small%20movie.mp4/~00112233445566ff/video-1/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=929341,AVERAGE-BANDWIDTH=782575,\
CODECS=\"avc1.64001f,ac-3,mp4a.40.2\",\
RESOLUTION=1280x720,VIDEO-RANGE=SDR,FRAME-RATE=23.976,AUDIO=\"audio-2\",SUBTITLES=\"subtitles\",\
CLOSED-CAPTIONS=NONE
~00112233445566ff/video-1/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=929341,AVERAGE-BANDWIDTH=782575,\
CODECS=\"avc1.64001f,ac-3,mp4a.40.2\",\
RESOLUTION=640x360,VIDEO-RANGE=SDR,FRAME-RATE=23.976,AUDIO=\"audio-2\",SUBTITLES=\"subtitles\",\
CLOSED-CAPTIONS=NONE
../small%20movie.mp4/~00112233445566ff/video-1/media.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=53281,AVERAGE-BANDWIDTH=43593,CODECS=\"avc1.64001f\",\
RESOLUTION=1280x720,VIDEO-RANGE=SDR,URI=\"~00112233445566ff/video-1/iframes.m3u8\"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=53281,AVERAGE-BANDWIDTH=43593,CODECS=\"avc1.64001f\",\
RESOLUTION=640x360,VIDEO-RANGE=SDR,\
URI=\"../small%20movie.mp4/~00112233445566ff/video-1/iframes.m3u8\"
";
    let playlist = multivariant(&presentation);
    assert_eq!(playlist, expected);
    let read = read(&playlist);
    assert_eq!((streams(&read).len(), read.alternatives.len()), (4, 4));
}

#[test]
fn a_bandwidth_is_the_sum_of_the_largest_group_members() {
    let mut large = audio("audio-2", "mp4a.40.2", "Large");
    large.segments = segments(&[(288_768, 960_000), (288_768, 96_000)]);
    let tracks =
        [video("video-1"), audio("audio-1", "mp4a.40.2", "Small"), large, text("text-1", "")];
    let rates = [0, 2, 3].map(|place| BitRate::from_track(&tracks[place]));
    let read = read_title(tracks.to_vec());
    let [stream] = streams(&read)[..] else { panic!("one variant") };
    assert_eq!(stream.bandwidth, rates.iter().map(|rate| rate.peak).sum::<u64>());
    assert_eq!(stream.average_bandwidth, Some(rates.iter().map(|rate| rate.average).sum::<u64>()));
}

#[test]
fn aac_tracks_complete_other_groups_and_aac_stays_alone() {
    let mut french = audio("audio-3", "mp4a.40.2", "");
    french.language = Some("fr".to_owned());
    french.is_default = true;
    let mut german = audio("audio-4", "opus", "Deutsch");
    german.language = Some("de".to_owned());
    let read = read_title(vec![
        video("video-1"),
        audio("audio-1", "ec-3", "English"),
        audio("audio-2", "mp4a.40.5", "English"),
        french,
        german,
    ]);
    let names = |id| {
        let members = group(&read, id).into_iter();
        members.map(|m| (m.name.clone(), m.default)).collect::<Vec<_>>()
    };
    let named = |name: &str, is_default| (name.to_owned(), is_default);
    assert_eq!(names("audio-1"), [named("English", false), named("fr", true)]);
    assert_eq!(names("audio-2"), [named("English", false), named("fr", true)]);
    assert_eq!(
        names("audio-3"),
        [named("Deutsch", false), named("English", false), named("fr", true)]
    );
    let expected = [
        "avc1.64001f,mp4a.40.5,mp4a.40.2",
        "avc1.64001f,ec-3,mp4a.40.2",
        "avc1.64001f,opus,mp4a.40.5,mp4a.40.2",
    ];
    assert_eq!(codecs(&read), expected);
}

#[test]
fn every_audio_track_has_a_unique_name() {
    let labels = ["Audio", "Audio", "Audio (2)", "", "\u{1}\n"];
    let tracks = labels.iter().enumerate().map(|(place, label)| {
        let mut track = audio(&format!("audio-{}", place + 1), "mp4a.40.2", label);
        track.language = None;
        track
    });
    let read = read_title([video("video-1")].into_iter().chain(tracks).collect());
    let names: Vec<_> = read.alternatives.iter().map(|media| media.name.as_str()).collect();
    assert_eq!(names, ["Audio", "Audio (2)", "Audio (2) (2)", "audio-4", "audio-5"]);
    let defaults: Vec<_> = read.alternatives.iter().map(|media| media.default).collect();
    assert_eq!(defaults, [true, false, false, false, false]);
    assert!(read.alternatives[0].autoselect && !read.alternatives[1].autoselect);
}

#[test]
fn audio_for_a_purpose_has_its_characteristics_and_may_be_selected_for_it() {
    let description = Track {
        roles: vec![Role::Dub, Role::Description],
        ..audio("audio-2", "mp4a.40.2", "English")
    };
    let plain = audio("audio-1", "mp4a.40.2", "English");
    let read = read_title(vec![video("video-1"), plain, description]);
    let [plain, description] = &read.alternatives[..] else { panic!("two") };
    assert_eq!(plain.characteristics, None);
    let expected = "public.accessibility.describes-video";
    assert_eq!(description.characteristics.as_deref(), Some(expected));
    assert!(description.autoselect && !description.default, "another choice than the plain one");
}

#[test]
fn subtitles_have_characteristics_and_no_default_unless_marked() {
    let kind = |forced, hearing_impaired| Kind::Text(Text { forced, hearing_impaired });
    let tracks = vec![
        video("video-1"),
        text("text-1", "English"),
        Track { kind: kind(true, false), ..text("text-2", "English") },
        Track { kind: kind(false, true), ..text("text-3", "English SDH") },
        Track { language: Some("not a tag".to_owned()), ..text("text-4", "Odd") },
    ];
    let read = read_title(tracks.clone());
    let subtitles = group(&read, "subtitles");
    assert!(subtitles.iter().all(|media| !media.default && media.autoselect));
    let forced: Vec<_> = subtitles.iter().map(|media| media.forced).collect();
    assert_eq!(forced, [false, true, false, false]);
    assert_eq!(subtitles[1].name, "English (2)");
    let characteristics = "public.accessibility.transcribes-spoken-dialog,\
                           public.accessibility.describes-music-and-sound";
    assert_eq!(subtitles[2].characteristics.as_deref(), Some(characteristics));
    assert_eq!(subtitles[1].characteristics, None);
    assert_eq!(subtitles[0].language.as_deref(), Some("en"));
    assert_eq!(subtitles[3].language, None);

    let mut marked = tracks;
    marked[3].is_default = true;
    let read = read_title(marked);
    let defaults: Vec<_> = group(&read, "subtitles").iter().map(|media| media.default).collect();
    assert_eq!(defaults, [false, false, true, false]);
}

#[test]
fn a_single_audio_track_is_a_variant_without_a_group() {
    let read = read_title(vec![audio("audio-1", "mp4a.40.2", "Song")]);
    assert!(read.alternatives.is_empty());
    let [stream] = streams(&read)[..] else { panic!("one variant") };
    assert_eq!(stream.uri, "~00112233445566ff/audio-1/media.m3u8");
    assert_eq!(stream.codecs.as_deref(), Some("mp4a.40.2"));
    assert_eq!((&stream.audio, stream.resolution), (&None, None));
}

#[test]
fn languages_of_a_title_without_video_are_alternatives_and_not_variants() {
    let mut french = audio("audio-2", "mp4a.40.2", "Français");
    french.is_default = true;
    let read = read_title(vec![audio("audio-1", "mp4a.40.2", "English"), french]);
    let [stream] = streams(&read)[..] else { panic!("one variant") };
    assert_eq!(stream.uri, "~00112233445566ff/audio-2/media.m3u8");
    assert_eq!(stream.audio.as_deref(), Some("audio-1"));
    let uris: Vec<_> = read.alternatives.iter().map(|media| media.uri.as_deref()).collect();
    assert_eq!(uris, [Some("~00112233445566ff/audio-1/media.m3u8"), None]);
}

#[test]
fn codecs_of_a_title_without_video_are_a_variant_each() {
    let flac = audio("audio-2", "fLaC", "Song");
    let read = read_title(vec![flac, audio("audio-1", "mp4a.40.2", "Song")]);
    assert_eq!(codecs(&read), ["mp4a.40.2", "fLaC"]);
    assert!(read.alternatives.is_empty());
}

#[test]
fn video_without_audio_has_variants_without_a_group() {
    let read = read_title(vec![video("video-1")]);
    let [stream] = streams(&read)[..] else { panic!("one variant") };
    assert_eq!(stream.codecs.as_deref(), Some("avc1.64001f"));
    assert_eq!((&stream.audio, &stream.subtitles), (&None, &None));
    let video_rate = BitRate::from_track(&video("video-1"));
    assert_eq!(stream.bandwidth, video_rate.peak);
    assert_eq!(stream.average_bandwidth, Some(video_rate.average));
}

#[test]
fn a_variant_has_the_displayed_size_and_the_video_range() {
    let tracks = vec![
        with_video(video("video-1"), |video| {
            (video.width, video.height) = (720, 576);
            video.pixel_aspect = Ratio::new(64, 45).expect("a ratio");
            video.frame_rate = None;
            video.range = VideoRange::Hlg;
        }),
        with_video(video("video-2"), |video| {
            video.frame_rate = Ratio::new(25, 1);
            video.range = VideoRange::Pq;
            video.supplemental_codecs = Some("dvh1.08.07/db1p".to_owned());
        }),
    ];
    let read = read_title(tracks);
    let [first, second] = streams(&read)[..] else { panic!("two variants") };
    let resolution = first.resolution.expect("a resolution");
    assert_eq!((resolution.width, resolution.height), (1024, 576));
    assert_eq!((first.frame_rate, second.frame_rate), (None, Some(25.0)));
    assert_eq!(other(first, "VIDEO-RANGE").as_deref(), Some("HLG"));
    assert_eq!(other(second, "VIDEO-RANGE").as_deref(), Some("PQ"));
    assert_eq!(other(first, "SUPPLEMENTAL-CODECS"), None);
    assert_eq!(other(second, "SUPPLEMENTAL-CODECS").as_deref(), Some("dvh1.08.07/db1p"));
}

#[test]
fn an_unknown_codec_omits_the_codecs_attribute() {
    let read = read_title(vec![video("video-1"), audio("audio-1", "", "")]);
    assert_eq!(streams(&read)[0].codecs, None);
    let key_frames = read.variants.iter().find(|variant| variant.is_i_frame).expect("one");
    assert_eq!(key_frames.codecs.as_deref(), Some("avc1.64001f"));
}

#[test]
fn atmos_channels_are_its_objects() {
    let mut atmos = audio("audio-1", "ec-3", "");
    atmos.kind =
        Kind::Audio(Audio { channels: 6, joint_objects: Some(16), sample_rate_hz: 48_000 });
    let read = read_title(vec![video("video-1"), atmos]);
    assert_eq!(read.alternatives[0].channels.as_deref(), Some("16/JOC"));
}

#[test]
fn a_title_without_tracks_has_a_valid_playlist() {
    let empty = Presentation { title: "\u{7}".to_owned(), ..title(Vec::new()) };
    assert_eq!(multivariant(&empty), [super::HEAD, super::INDEPENDENT].concat());
}

/// Any track: common timescales, segments of up to 20 s, gaps and a late start.
fn any_track() -> impl Strategy<Value = Track> {
    const TIMESCALES: [u32; 9] =
        [1, 24, 1000, 12_800, 24_000, 44_100, 90_000, 10_000_000, u32::MAX];
    let clock = prop::sample::select(&TIMESCALES[..]);
    let segments = prop::collection::vec((1_u32..2_000_000, 0_u64..4, 0_u64..5_000_000), 1..60);
    (clock, segments, any::<bool>()).prop_map(|(timescale, sizes, has_gaps)| {
        let mut at = 0_u64;
        let segments = sizes.into_iter().map(|(part, gap, bytes)| {
            at += if has_gaps { gap } else { 0 };
            // Fractions of 20 s, in ticks, at least one.
            let duration = (u64::from(timescale) * u64::from(part) / 100_000).max(1);
            at += duration;
            Segment { start: at - duration, duration, bytes }
        });
        let segments = segments.collect();
        let timescale = timescale.try_into().expect("not zero");
        Track { timescale, segments, ..audio("audio-1", "mp4a.40.2", "") }
    })
}

proptest! {
    #[test]
    fn durations_sum_to_the_end_of_each_segment_to_the_microsecond(track in any_track()) {
        let timescale = u128::from(track.timescale.get());
        let mut sum = 0_u128;
        let durations = durations_us(&media(&track));
        prop_assert_eq!(durations.len(), track.segments.len());
        for (duration, end) in durations.into_iter().zip(track.ends()) {
            sum += u128::from(duration);
            // The rounding error is at most half a microsecond: |sum - end| <= 1/2, times 2 timescale.
            let exact = 2 * u128::from(end) * 1_000_000;
            prop_assert!((2 * sum * timescale).abs_diff(exact) <= timescale);
        }
    }

    #[test]
    fn the_target_duration_is_the_longest_rounded_duration(track in any_track()) {
        let playlist = media(&track);
        let rounded = durations_us(&playlist).into_iter().map(|us| (us + 500_000) / 1_000_000);
        let read = m3u8_rs::parse_media_playlist_res(playlist.as_bytes()).expect("readable");
        prop_assert_eq!(read.target_duration, rounded.max().unwrap_or(0).max(1));
    }

    #[test]
    fn no_name_breaks_a_playlist(
        names in prop::collection::vec(any::<String>(), 3),
        language in any::<String>(),
    ) {
        let mut tracks =
            vec![video("video-1"), audio("audio-1", "mp4a.40.2", &names[0]), text("text-1", &names[1])];
        tracks[1].language = Some(language);
        let mut named = title(tracks);
        let quiet = Presentation { title: "A title".to_owned(), ..title(named.tracks.clone()) };
        named.title = format!("A\"title\r\n#EXT-X-ENDLIST\r{}", names[2]);
        let playlist = multivariant(&named);
        prop_assert_eq!(playlist.lines().count(), multivariant(&quiet).lines().count());
        let is_forbidden = |c: char| c != '\n' && c.is_control() || c == '\u{feff}';
        prop_assert!(!playlist.contains(is_forbidden));
        for line in playlist.lines().filter(|line| line.starts_with('#')) {
            prop_assert!(line.matches('"').count() % 2 == 0, "{}", line);
        }
        let read = read(&playlist);
        prop_assert_eq!(read.alternatives.len(), 2);
        prop_assert!(read.alternatives.iter().all(|media| !media.name.trim().is_empty()));
        prop_assert_eq!(streams(&read).len(), 1);
    }
}

/// The `pssh` box of a system, with `data` and no key identifiers.
fn header(id: u128, data: &[u8]) -> System {
    let id = id.to_be_bytes();
    let len = u32::try_from(data.len()).expect("a few bytes");
    let parts = [&[0, 0, 0, 0][..], b"pssh", &[0; 4], &id, &len.to_be_bytes(), data];
    System { id, headers: parts.concat().into() }
}

fn protected(mut track: Track, scheme: [u8; 4]) -> Track {
    let systems = [
        header(0xedef_8ba9_79d6_4ace_a3c8_27dc_d51d_21ed, b"wv"),
        header(0x9a04_f079_9840_4286_ab92_e65b_e088_5f95, b"pr"),
        // The common system (W3C), which has no key format.
        header(0x1077_efec_c0b2_4d02_ace3_3c1e_52e2_fb4b, b""),
    ];
    track.protection = Some(Protection { scheme, key_id: [0xab; 16], systems: systems.into() });
    track
}

#[test]
fn keys_carry_the_initialization_data_of_drm_systems() {
    let playlist = media(&protected(video("video-1"), *b"cbcs"));
    let expected = "\
#EXT-X-MAP:URI=\"init.mp4\"
#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:text/plain;base64,\
AAAAAHBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAAAJ3dg==\",KEYID=0xabababababababababababababababab,\
KEYFORMAT=\"urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\",KEYFORMATVERSIONS=\"1\"
#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:text/plain;charset=UTF-16;base64,cHI=\",\
KEYID=0xabababababababababababababababab,KEYFORMAT=\"com.microsoft.playready\",\
KEYFORMATVERSIONS=\"1\"
#EXTINF:6.006000,
";
    assert!(playlist.contains(expected), "{playlist}");
    let read = m3u8_rs::parse_media_playlist_res(playlist.as_bytes()).expect("readable");
    assert!(read.segments[0].key.is_some());
    let iframes = iframes(&protected(video("video-1"), *b"cenc")).expect("key frames");
    assert_eq!(iframes.matches("#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,").count(), 2);
}

#[test]
fn a_key_of_several_tracks_is_one_session_key() {
    let tracks = [video("video-1"), audio("audio-1", "mp4a.40.2", "")];
    let tracks = tracks.map(|track| protected(track, *b"cenc"));
    let playlist = multivariant(&title(tracks.to_vec()));
    assert_eq!(playlist.matches("#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES-CTR,").count(), 2);
    let session = read(&playlist).session_key;
    assert_eq!(session.len(), 2);
}

#[test]
fn unknown_schemes_and_systems_have_no_key_tags() {
    // HLS has no method for this scheme; the other track has no DRM systems.
    let other = protected(video("video-1"), *b"cens");
    let mut unknown = protected(video("video-1"), *b"cbcs");
    unknown.protection.as_mut().expect("protected").systems = [].into();
    for track in [other, unknown] {
        assert_eq!(media(&track), media(&video("video-1")));
    }
}

#[test]
fn the_multivariant_playlist_refers_to_a_playlist_of_sheets() {
    let storyboard = Storyboard {
        prefix: String::new(),
        version: "00112233445566ff".to_owned(),
        geometry: Geometry::new(610_500, (1280, 720)),
    };
    let playlist = images(&storyboard);
    let head = "\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:50
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-IMAGES-ONLY
#EXTINF:50.000000,
#EXT-X-TILES:RESOLUTION=320x180,LAYOUT=5x5,DURATION=2.000000
1.jpg
#EXTINF:50.000000,
";
    assert!(playlist.starts_with(head), "{playlist}");
    let read = m3u8_rs::parse_media_playlist_res(playlist.as_bytes()).expect("readable");
    assert!(read.end_list && !read.i_frames_only);
    let uris: Vec<_> = read.segments.iter().map(|segment| segment.uri.as_str()).collect();
    assert_eq!(uris, (1..=13).map(|number| format!("{number}.jpg")).collect::<Vec<_>>());
    let has_tiles = |segment: &m3u8_rs::MediaSegment| {
        segment.unknown_tags.iter().any(|unknown| unknown.tag == "X-TILES")
    };
    assert!(read.segments.iter().all(has_tiles));
    let durations = durations_us(&playlist);
    assert_eq!(durations.iter().sum::<u64>(), 610_500_000);
    assert_eq!(durations.last(), Some(&10_500_000));

    let presentation = title(vec![video("video-1")]);
    let without = multivariant(&presentation);
    let with = multivariant(&Presentation { storyboard: Some(storyboard), ..presentation });
    assert_eq!(
        with.strip_prefix(&without),
        Some(
            "#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=38400,RESOLUTION=320x180,CODECS=\"jpeg\",\
             URI=\"~00112233445566ff/storyboard/images.m3u8\"\n"
        )
    );
    let (_, read) = m3u8_rs::parse_master_playlist(with.as_bytes()).expect("readable");
    assert_eq!(read.variants.len(), 2, "the video, and its key frames");
    assert_eq!(read.unknown_tags.len(), 1);
}
