//! Audio that browsers play in files and not in segments (kind K8).

use crate::support::{
    ffmpeg::{self, Kind},
    folder::Folder,
    made_titles::{AVC, MadeTitles, TONE, VIDEO, make, members, sentences, verdict},
    manifests::{self, Multivariant},
};

const MP3: &str = "-c:a libmp3lame -b:a 64k";

/// AAC whose channels have no configuration: ffmpeg writes a program config element for these layouts.
fn aac(layout: &str) -> String {
    format!("-af aformat=channel_layouts={layout} -c:a aac")
}

/// The codecs of all variants, each with the channels of its audio group.
fn variants(playlist: &Multivariant) -> Vec<(String, String)> {
    let variant = |(_, variant): &(String, _)| {
        let variant: &crate::support::manifests::Attributes = variant;
        let group = &variant["AUDIO"];
        let audio = members(playlist, "AUDIO");
        let mut members = audio.iter().filter(|member| member["GROUP-ID"] == *group);
        (variant["CODECS"].clone(), members.next().expect("a member")["CHANNELS"].clone())
    };
    playlist.variants.iter().map(variant).collect()
}

/// The channel layout of the audio that ffmpeg reads.
fn layout(input: &str) -> String {
    let entries = "stream=channel_layout";
    let probed = ffmpeg::probe(&[
        "-select_streams",
        "a:0",
        "-show_entries",
        entries,
        "-of",
        "csv=p=0",
        input,
    ]);
    // With HLS the streams are listed per program too.
    let text = String::from_utf8(probed.expect("a layout")).expect("text");
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

/// When the audio and the video end, in seconds.
fn ends(input: &str) -> Vec<f64> {
    let tracks = ffmpeg::tracks(input).expect("tracks");
    let end = |kind| {
        let track = tracks.iter().find(|track| track.kind == kind).expect("a track");
        let ends = track.packets.iter().map(|packet| track.shown_until(packet).nanoseconds());
        ends.max().expect("packets") as f64 / 1e9
    };
    [Kind::Video, Kind::Audio].map(end).to_vec()
}

#[test]
fn mp3_gets_aac_that_takes_its_place_in_manifests() {
    if !ffmpeg::is_installed() {
        return;
    }
    let made = MadeTitles::new(&[
        ("film.mp4", &format!("{VIDEO} {TONE} {AVC} {MP3} -ac 2")),
        ("film.mov", &format!("{VIDEO} {TONE} {AVC} {MP3}")),
        ("film.mkv", &format!("{VIDEO} {TONE} {AVC} {MP3} -ac 2")),
        ("film.avi", &format!("{VIDEO} {TONE} -c:v mpeg4 {MP3}")),
    ]);
    for (title, channels, jobs) in
        [("film.mp4", "2", 1), ("film.mov", "1", 1), ("film.mkv", "2", 1), ("film.avi", "1", 0)]
    {
        let playlist = made.with_audio_made(title, jobs);
        let [(codecs, found)] = &variants(&playlist)[..] else { panic!("{title}: {playlist:?}") };
        assert!(codecs.ends_with(",mp4a.40.2"), "{title}: {codecs}");
        assert_eq!(found, channels, "{title}");
        assert_eq!(made.dash_audio(title), ["mp4a.40.2"], "{title}");
        let mpd = made.get(title, "manifest.mpd").body;
        manifests::assert_lasts_until_its_end(&format!("/v/{title}/manifest.mpd"), &mpd);
        for view in ["index.m3u8", "manifest.mpd"] {
            let [video, audio] = ends(&made.url(title, view))[..] else { panic!("two") };
            assert!((video - audio).abs() < 0.1, "{title}/{view}: {video} {audio}");
        }
    }
    // The file as one MP4 keeps its samples: there browsers play them.
    let tracks = ffmpeg::tracks(&made.url("film.mp4", "play.mp4")).expect("tracks");
    assert!(tracks.iter().any(|track| track.codec == "mp3"), "{tracks:?}");
}

#[test]
fn aac_without_a_channel_configuration_gets_aac_with_one() {
    if !ffmpeg::is_installed() {
        return;
    }
    let how = |layout: &str| format!("{VIDEO} {TONE} {AVC} {}", aac(layout));
    let titles = [
        ("side.mp4", how("5.1(side)"), "6", "5.1", 1),
        ("six.mp4", how("6.1"), "6", "5.1", 1),
        ("quad.mp4", how("quad"), "2", "stereo", 1),
        ("two.mp4", how("2.1"), "2", "stereo", 1),
        ("side.mkv", how("5.1(side)"), "6", "5.1", 1),
        // The remux makes it.
        ("quad.ts", how("quad"), "2", "stereo", 0),
        // These have one, and are sent as they are.
        ("back.mp4", how("5.1"), "6", "5.1", 0),
        ("four.mp4", how("4.0"), "4", "4.0", 0),
        ("back.mkv", how("5.1"), "6", "5.1", 0),
    ];
    let arguments: Vec<_> = titles.iter().map(|(title, how, ..)| (*title, &**how)).collect();
    let made = MadeTitles::new(&arguments);
    for (title, _, channels, expected, jobs) in &titles {
        let playlist = made.with_audio_made(title, *jobs);
        let [(codecs, found)] = &variants(&playlist)[..] else { panic!("{title}: {playlist:?}") };
        assert!(codecs.ends_with(",mp4a.40.2"), "{title}: {codecs}");
        assert_eq!(found, channels, "{title}");
        assert_eq!(made.dash_audio(title), ["mp4a.40.2"], "{title}");
        assert_eq!(layout(&made.url(title, "index.m3u8")), *expected, "{title}");
    }
}

#[test]
fn audio_that_misleads_players_is_not_offered_beside_audio_that_plays() {
    if !ffmpeg::is_installed() {
        return;
    }
    let two = format!("{VIDEO} {TONE} -map 0 -map 1 -map 1 {AVC}");
    let mp3_second = format!("{two} -c:a:0 aac -ac:a:0 2 -c:a:1 libmp3lame");
    let side_first =
        format!("{two} -filter:a:0 aformat=channel_layouts=5.1(side) -c:a aac -ac:a:1 2");
    let folder = Folder::new();
    make(&folder, "mp3.mp4", &mp3_second);
    make(&folder, "side.mp4", &side_first);
    // Without a worker no AAC appears.
    let made = MadeTitles::serve(folder, &[("HEADWATER_LOCAL_WORKER", "false")]);
    for title in ["mp3.mp4", "side.mp4"] {
        let playlist = made.playlist(title);
        let [(codecs, channels)] = &variants(&playlist)[..] else { panic!("{playlist:?}") };
        assert!(codecs.ends_with(",mp4a.40.2"), "{title}: {codecs}");
        assert_eq!((&**channels, members(&playlist, "AUDIO").len()), ("2", 1), "{title}");
    }
    let MadeTitles { folder, .. } = made;
    let made = MadeTitles::serve(folder, &[]);
    for title in ["mp3.mp4", "side.mp4"] {
        // Both languages are there in the end.
        let playlist = made.with_audio_made(title, 1);
        assert_eq!(members(&playlist, "AUDIO").len(), 2, "{title}: {playlist:?}");
        assert_eq!(made.dash_audio(title), ["mp4a.40.2", "mp4a.40.2"], "{title}");
    }
}

#[test]
fn inspect_tells_files_from_segments() {
    if !ffmpeg::is_installed() {
        return;
    }
    let how = |audio: &str| format!("{VIDEO} {TONE} {AVC} {audio}");
    let titles = [
        ("mp3.mp4", how(MP3), "MP3"),
        ("side.mp4", how(&aac("5.1(side)")), "AAC without a channel configuration"),
        ("back.mp4", how(&aac("5.1")), ""),
        ("stereo.mp4", how(&aac("stereo")), ""),
        ("dolby.mp4", how("-c:a ac3"), ""),
    ];
    let arguments: Vec<_> = titles.iter().map(|(title, how, _)| (*title, &**how)).collect();
    let made = MadeTitles::new(&arguments);
    for (title, _, codec) in titles {
        let report = made.inspect(title);
        let sentence = format!("Browsers play {codec} in play.mp4, but not in segments.");
        let said = sentences(&report).iter().any(|said| said.starts_with("Browsers play"));
        assert_eq!(said, !codec.is_empty(), "{title}: {:?}", sentences(&report));
        for view in ["hls", "dash"] {
            let (plays, reason) = verdict(&report, "Chrome", view);
            let is_made = title != "back.mp4" && title != "stereo.mp4";
            assert_eq!(plays, if is_made { "depends" } else { "yes" }, "{title} {view}");
            assert_eq!(reason.contains("plays the AAC that Headwater makes"), is_made, "{reason}");
        }
        let progressive = verdict(&report, "Chrome", "progressive").0;
        assert_eq!(progressive, if title == "dolby.mp4" { "partly" } else { "yes" }, "{title}");
        if !codec.is_empty() {
            assert!(sentences(&report).contains(&&*sentence), "{title}");
            let (_, reason) = verdict(&report, "Chrome", "hls");
            let refused = format!("Media Source refuses {codec} in segments");
            assert!(reason.contains(&refused), "{title}: {reason}");
            assert_ne!(verdict(&report, "Safari", "hls").0, "no", "{title}");
        }
    }
}
