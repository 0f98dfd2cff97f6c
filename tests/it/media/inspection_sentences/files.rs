use super::{hex, other_track, usual, video, video_entry, with, with_behind};
use crate::support::{
    box_patches::{of_kind, patched, replaced},
    entries,
    movies::{Plan, boxed, fragmented, full, moov_of, plain, quick_time, table, words},
    sentences::says,
};

#[test]
fn a_file_that_is_no_movie_is_told_from_a_movie() {
    let text = b"this is no movie at all";
    says("not an MP4 or MOV file", text, &usual());
    says("Check that the file is a video.", text, &usual());
    let webm = b"\x1a\x45\xdf\xa3 and so on";
    // Its first bytes, read as a box, are one of 442 bytes before one of a movie.
    let program = [&b"\0\0\x01\xba"[..], &[0; 438], &boxed(b"mdat", &[])].concat();
    says("this is *, not MP4 or MOV", &program, text);
    says("This is *, not MP4 or MOV.", &program, webm);
    says("Matroska", webm, b"FLV\x01");
}

#[test]
fn browsers_play_some_other_containers_as_they_are() {
    // The head of a file: the kind of its document, and the codecs of video and audio.
    let matroska = |kind: &str, video: &str, audio: &str| {
        let element = |id: &[u8], body: &[u8]| {
            [id, &[0x80 | u8::try_from(body.len()).expect("a short body")], body].concat()
        };
        let track = |kind: u8, codec: &str| {
            // Its number, type and codec.
            let body = [
                element(b"\xd7", &[kind]),
                element(b"\x83", &[kind]),
                element(b"\x86", codec.as_bytes()),
            ]
            .concat();
            element(b"\xae", &body)
        };
        let header = element(b"\x1a\x45\xdf\xa3", &element(b"\x42\x82", kind.as_bytes()));
        let tracks = [track(1, video), track(2, audio)].concat();
        [header, element(b"\x18\x53\x80\x67", &element(b"\x16\x54\xae\x6b", &tracks))].concat()
    };
    let webm = matroska("webm", "V_VP9", "A_OPUS");
    let other = matroska("matroska", "V_MPEG4/ISO/AVC", "A_AAC");
    let costly = matroska("matroska", "V_MPEG2", "A_DTS");
    let wave = |tag: u8| [b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0", &[tag, 0][..]].concat();
    let ogg = |codec: &str| [&b"OggS"[..], &[0; 22], &[1, 8], codec.as_bytes()].concat();
    says("all browsers play the file as it is", &wave(1), &wave(2));
    says("compressed WAV depends on the browser", &wave(2), &wave(1));
    says("browsers do not play *", b"FLV\x01 and so on", &wave(1));
    says("Chrome and Firefox play the file as it is; Safari depends on its version", &webm, &other);
    says(
        "Matroska depends on the browser: Chrome and new versions of Firefox play it",
        &other,
        &webm,
    );
    says("no decoder for *", &costly, &other);
    says("its head names no tracks", &matroska("webm", "", "")[..20], &webm);
    says(
        "browsers have no decoder for the codec of its first stream",
        &ogg("Speex"),
        &ogg("OpusHead"),
    );
}

#[test]
fn a_movie_without_a_usable_index_has_a_reason() {
    let whole = usual();
    let cut = &whole[..whole.len() / 4];
    says(
        "the file has no index (moov): the recording or the download was interrupted",
        cut,
        &whole,
    );
    says(
        "Copy or download the file again. If the recording was interrupted, a tool such as untrunc can rebuild the index from an intact file of the same camera.",
        cut,
        &whole,
    );
    // One byte more than 256 MiB. The memory is zero and untouched.
    let mut long = vec![0; (256 << 20) + 9];
    long[..8].copy_from_slice(&[&((256_u32 << 20) + 9).to_be_bytes()[..], b"moov"].concat());
    says("the index (moov) is too long", &long, &whole);
    says("Split or transcode the file.", &long, &whole);
    let no_header = with(b"mvhd", &boxed(b"free", &[]));
    says("the movie header (mvhd) is missing or invalid", &no_header, &whole);
    says(
        "Copy or download the file again, or remux it: ffmpeg -i IN -c copy OUT.mp4.",
        &no_header,
        &whole,
    );
    says("the file has no playable track: *", &plain(&[]), &whole);
    says("it has no tracks", &plain(&[]), &whole);
    says("See the reason for each track.", &plain(&[]), &whole);
}

#[test]
fn top_level_boxes_are_judged() {
    let front = quick_time(&[Plan::video(1, 48), Plan::audio(2, 90)]);
    let cut = &front[..front.len() - 100];
    says("The box * extends past the end of the file.", cut, &front);
    says("The file is truncated or was not finished: copy it again.", cut, &front);
    let junk = [&front[..], &[0; 5]].concat();
    says("The last * bytes belong to no box.", &junk, &front);
    says("Players ignore them; no action needed.", &junk, &front);
    says(
        "The index (moov) comes after the media data, so players fetch the end of the file first.",
        &usual(),
        &front,
    );
    says(
        "No action needed for play.mp4, HLS and DASH. For other uses: ffmpeg -i IN -c copy -movflags +faststart OUT.mp4.",
        &usual(),
        &front,
    );
    says("the index (moov) moves to the front of play.mp4", &usual(), &front);
    says("the QuickTime movie becomes an MP4 in play.mp4", &front, &usual());
}

#[test]
fn fragments_are_merged_and_judged() {
    let plans = [Plan::video(1, 48), Plan::audio(2, 90)];
    let several = fragmented(&plans);
    let one = fragmented(&plans.clone().map(|plan| Plan { per_chunk: 100, ..plan }));
    says("the fragment becomes", &one, &several);
    says("* fragments become", &several, &one);
    says("* one MP4 with one index in play.mp4", &several, &usual());
    let second = |kind| of_kind(&several, kind)[3].clone();
    let many = patched(&several, second(b"trun").body().start + 4, &[0, 0, 255, 255]);
    says("a fragment is invalid", &many, &several);
    let header = second(b"mfhd");
    let long = [&several[header.start..header.end], &boxed(b"free", &[&vec![0; 4 << 20]])].concat();
    let long = replaced(&several, header.start..header.end, &long);
    says("a fragment's header is too long", &long, &several);
    let late = (i64::MAX - 1000).to_be_bytes();
    let overflowing = patched(&several, second(b"tfdt").body().start + 4, &late);
    says("its times overflow", &overflowing, &several);
}

#[test]
fn a_movie_is_judged_as_a_whole() {
    let text = plain(&[other_track(1, b"text", hex(entries::TX3G))]);
    says("No track fits into segments: the title has no HLS and no DASH.", &text, &usual());
    says(
        "Transcode it as shown below; players with the right decoders can use play.mp4.",
        &text,
        &usual(),
    );
    let early = plain(&[Plan::video(1, 48), Plan::audio(2, 30)]);
    says("The track ends * s before the longest track.", &early, &usual());
    says("This is often intended. If not, copy the file again.", &early, &usual());
    // All video of ten seconds, then all audio.
    let apart = [
        Plan { sizes: vec![40_000; 250], per_chunk: 250, ..Plan::video(1, 250) },
        Plan { per_chunk: 470, ..Plan::audio(2, 470) },
    ];
    let near = plain(&apart.clone().map(|plan| Plan { per_chunk: 6, ..plan }));
    let apart = plain(&apart);
    says(
        "Audio and video are up to * MiB apart in the file (at * s): players of play.mp4 have to seek.",
        &apart,
        &near,
    );
    says("HLS and DASH are not affected. To fix it: ffmpeg -i IN -c copy OUT.mp4.", &apart, &near);
}

#[test]
fn an_unplayable_track_beside_others_has_a_reason() {
    let usual = usual();
    let no_samples = plain(&[Plan::video(1, 48), Plan { sizes: vec![], ..Plan::audio(2, 0) }]);
    says("The track is unplayable: *.", &no_samples, &usual);
    says(
        "The other tracks play. If the reason names no other step, a remux with ffmpeg may recover this one.",
        &no_samples,
        &usual,
    );
    says("the track has no playable sample", &no_samples, &usual);
    let without = |kind| with(kind, &boxed(b"free", &[]));
    says("it has no header (tkhd)", &without(b"tkhd"), &usual);
    let short = with(b"tkhd", &full(b"tkhd", 0, 7, &[&[0; 20]]));
    says("its header (tkhd) is too short", &short, &usual);
    says("it has no media (mdia)", &without(b"mdia"), &usual);
    says("it has no handler (hdlr)", &without(b"hdlr"), &usual);
    says("its media header (mdhd) is missing or invalid", &without(b"mdhd"), &usual);
    says("it has no media information (minf)", &without(b"minf"), &usual);
    says("it has no sample tables (stbl)", &without(b"stbl"), &usual);
    says("its sample entry (stsd) is missing or invalid", &without(b"stsd"), &usual);
    says("its sample sizes (stsz) are missing or invalid", &without(b"stsz"), &usual);
    says("its durations (stts) are missing or invalid", &without(b"stts"), &usual);
    says("its samples per chunk (stsc) are missing or invalid", &without(b"stsc"), &usual);
    says("its chunk offsets (stco) are missing or invalid", &without(b"stco"), &usual);
    let cut = |kind| full(kind, 0, 0, &[&words([1000, 1])]);
    says("its composition offsets (ctts) are invalid", &with(b"ctts", &cut(b"ctts")), &usual);
    says("its sync samples (stss) are invalid", &with(b"stss", &cut(b"stss")), &usual);
    let mut plans = [Plan::video(1, 48), Plan::audio(2, 90), Plan::video(3, 48)];
    let references = boxed(b"tref", &[&boxed(b"chap", &[&words([3])])]);
    plans[2].sizes = vec![10; 48];
    let file = plain(&plans);
    let chapters = with_behind(&file, b"tkhd", &references);
    says("it holds the images of chapters", &chapters, &file);
}

#[test]
fn a_track_that_ends_early_has_a_reason() {
    let front = quick_time(&[Plan::video(1, 48), Plan::audio(2, 90)]);
    let cut = &front[..front.len() - 100];
    says("The track plays only up to * s: *.", cut, &front);
    says("Copy or download the file again.", cut, &front);
    says("the file ends before its last sample", cut, &front);
    let chunks = table(b"stco", 0, 1, &[24]);
    says("its size table has more samples than its chunks", &with(b"stco", &chunks), &usual());
    says("it has too many samples", &overlapping(1 << 20, 0, 512), &usual());
    says("the track has too many segments", &overlapping(140_000, 0, 76_800), &usual());
    let long = overlapping((4 << 20) + (1 << 12), 4 << 20, 1);
    says("The track is very long; the report covers only its beginning.", &long, &usual());
    says("No action needed.", &long, &video(Plan::video(1, 48)));
}

/// Video of this many samples, all of them in the first bytes of the file, with as many bytes behind them.
fn overlapping(count: u32, bytes_behind: usize, delta: u32) -> Vec<u8> {
    let media = boxed(b"mdat", &[&vec![0; 1 << 12]]);
    let ftyp = boxed(b"ftyp", &[b"isom", &[0; 4]]);
    let first = u32::try_from(ftyp.len() + 8).expect("a short file");
    let tables = vec![
        table(b"stts", 0, 2, &[count, delta]),
        table(b"stsc", 0, 3, &[1, 1 << 10, 1]),
        full(b"stsz", 0, 0, &[&words([1, count])]),
        table(b"stco", 0, 1, &vec![first; count.div_ceil(1 << 10) as usize]),
    ];
    let moov = moov_of(&[(Plan::video(1, 0), tables)]);
    [ftyp, media, moov, boxed(b"free", &[&vec![0; bytes_behind]])].concat()
}

#[test]
fn encryption_that_segments_cannot_carry_has_a_reason() {
    let encrypted = video_entry(hex(entries::AVC_CBCS));
    let cbcs = |tables: &[u8]| with_behind(&encrypted, b"stsz", tables);
    // A vector of eight bytes for each sample, and none in the file.
    let vectors = entries::AVC_CBCS.replacen("00190100", "00190108", 1);
    says(
        "it is encrypted without per-sample information (senc, or saiz and saio)",
        &video_entry(hex(&vectors)),
        &encrypted,
    );
    let offsets = table(b"saio", 0, 1, &[24]);
    let sizes = |sizes: &[u8]| {
        let equal = if sizes.len() == 1 { sizes } else { &[0] };
        let list = if sizes.len() == 1 { &[] } else { sizes };
        [full(b"saiz", 0, 0, &[equal, &words([48]), list]), offsets.clone()].concat()
    };
    says(
        "it is encrypted with invalid per-sample information (senc, or saiz and saio)",
        &cbcs(&sizes(&[3])),
        &encrypted,
    );
    let rotating = full(b"sgpd", 1, 0, &[b"seig", &words([20, 0])]);
    says(
        "it is encrypted with rotating keys (seig), which is not supported",
        &cbcs(&rotating),
        &encrypted,
    );
    says(
        "it mixes whole-sample and subsample encryption, which is not supported",
        &cbcs(&sizes(&[0, 8].repeat(24))),
        &encrypted,
    );
}
