//! Subtitles and chapters in Matroska.

use std::{fs, num::NonZeroU32, path::Path, process::Command};

use headwater::{
    movie::{BlockFormat, Chapters, Movie},
    transcode::program::find_program,
};

use crate::support::{ffmpeg, folder, matroska};

const GRID_MS: NonZeroU32 = NonZeroU32::new(6000).expect("not zero");

const SUBRIP: &str = "1\n00:00:00,500 --> 00:00:02,000\nOne\n\n\
    2\n00:00:01,250 --> 00:00:03,000\nTwo,\n<i>overlapping</i>\n\n\
    3\n00:00:07,000 --> 00:00:08,900\nThree\n\n";

const METADATA: &str = ";FFMETADATA1\n\
    [CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=3000\ntitle=Begin\n\
    [CHAPTER]\nTIMEBASE=1/1000\nSTART=3000\nEND=9000\ntitle=End\n";

fn read(file: &Path) -> (Movie, Vec<u8>) {
    let bytes = fs::read(file).expect("a file");
    let movie = Movie::read(&bytes[..], GRID_MS).expect("in memory");
    (movie.unwrap_or_else(|why| panic!("{why}")), bytes)
}

/// Start and end in milliseconds, and the text.
type Text = (u64, u64, String);

/// The texts of all tracks, with their formats.
fn texts(file: &Path) -> Vec<(BlockFormat, Vec<Text>)> {
    let (movie, bytes) = read(file);
    let of_track = |track: &headwater::movie::Track| {
        let blocks = track.text_blocks()?;
        let found = blocks.read(&bytes[..]).expect("in memory");
        let texts = found.into_iter().map(|block| {
            let text = String::from_utf8(block.text).expect("text").replace("\r\n", "\n");
            (block.start_ms, block.end_ms, text)
        });
        Some((blocks.format, texts.collect()))
    };
    movie.tracks.iter().filter_map(of_track).collect()
}

fn expected() -> Vec<Text> {
    [(500, 2000, "One"), (1250, 3000, "Two,\n<i>overlapping</i>"), (7000, 8900, "Three")]
        .map(|(start, end, text)| (start, end, text.to_owned()))
        .to_vec()
}

#[test]
fn subtitles_have_the_times_and_texts_that_they_were_made_of() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = folder::Folder::new();
    let path = |name: &str| folder.path(name);
    let text = |name: &str| path(name).to_str().expect("text").to_owned();
    fs::write(path("words.srt"), SUBRIP).expect("disk space");
    fs::write(path("chapters.txt"), METADATA).expect("disk space");
    let video = matroska::encoded("b-frames.mkv");
    let inputs = [
        "-i",
        video.to_str().expect("text"),
        "-i",
        &text("words.srt"),
        "-i",
        &text("chapters.txt"),
    ];
    let maps = ["-map", "0", "-map", "1", "-map", "1", "-map_chapters", "2", "-c", "copy"];
    let out = text("out.mkv");
    let how = ["-c:s:1", "ass", "-metadata:s:s:0", "language=ger", "-y", &out];
    ffmpeg::run(&[&inputs[..], &maps, &how].concat()).expect("ffmpeg makes it");
    let found = texts(&path("out.mkv"));
    assert_eq!(found[0], (BlockFormat::SubRip, expected()));
    assert_eq!(found[1].0, BlockFormat::Ass);
    let times = |texts: &[Text]| -> Vec<(u64, u64)> {
        texts.iter().map(|(start, end, _)| (*start, *end)).collect()
    };
    assert_eq!(times(&found[1].1), times(&expected()));
    let (movie, _) = read(&path("out.mkv"));
    let track =
        movie.tracks.iter().find(|track| track.text_blocks().is_some()).expect("a text track");
    assert_eq!(track.language.as_deref(), Some("ger"));
    let Some(Chapters::Known(chapters)) = &movie.chapters else { panic!("{:?}", movie.chapters) };
    assert_eq!(chapters[..], [(0, "Begin".to_owned()), (3000, "End".to_owned())]);
    if !matroska::has_mkvmerge() {
        return;
    }
    for (name, more) in [
        ("merged.mkv", &[][..]),
        ("zlib.mkv", &["--compression", "2:zlib"]),
        // The pass over all clusters.
        ("no-cues.mkv", &["--no-cues"]),
    ] {
        let program = find_program("mkvmerge").expect("installed");
        let mut command = Command::new(program);
        command.arg("-q").arg("-o").arg(path(name)).args(more).arg(path("out.mkv"));
        let output = command.output().expect("the program runs");
        assert!(output.status.code().is_some_and(|code| code < 2), "{output:?}");
        assert_eq!(texts(&path(name))[0], (BlockFormat::SubRip, expected()), "{name}");
    }
}
