//! What Matroska says about its tracks: the same as the MP4 into which ffmpeg copies them.

use std::{fs, num::NonZeroU32};

use headwater::movie::{Movie, Track, codec::Media};

use crate::support::{ffmpeg, folder::Folder, matroska};

const GRID_MS: NonZeroU32 = NonZeroU32::new(6000).expect("not zero");

fn read(bytes: &[u8]) -> Movie {
    Movie::read(bytes, GRID_MS).expect("in memory").unwrap_or_else(|why| panic!("{why}"))
}

/// What has to be the same: all but the level of VP9, which only the MP4 muxer guesses.
fn described(track: &Track) -> String {
    let media = match &track.entry.media {
        Media::Video(video) => {
            let mut video = video.clone();
            video.level = None;
            video.declares_aspect = false;
            Media::Video(video)
        }
        other => other.clone(),
    };
    let kinds = &track.kinds;
    let codecs = if track.entry.codecs.starts_with("vp09") { "vp09" } else { &track.entry.codecs };
    format!(
        "{} {} {codecs} {media:?}\n{:?} {:?} {} {kinds:?}\n{:?} {:?}",
        track.handler,
        track.entry.codec,
        track.language,
        track.name,
        track.is_enabled,
        track.shape,
        track.carried.roll_distance,
    )
}

#[test]
fn tracks_are_described_as_in_the_mp4_into_which_ffmpeg_copies_them() {
    if !ffmpeg::is_installed() {
        return;
    }
    let folder = Folder::new();
    let text = |name: &str| folder.path(name).to_str().expect("text").to_owned();
    let source = "-f lavfi -i testsrc2=size=192x108:rate=25:duration=1 \
        -f lavfi -i sine=frequency=440:sample_rate=48000:duration=1";
    let hdr = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -color_primaries bt2020 \
        -color_trc smpte2084 -colorspace bt2020nc -color_range tv -x265-params log-level=error:\
        hdr10=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):\
        max-cll=1000,400:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc";
    let shaped = "-vf setsar=4/3 -c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    let flagged = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -map 0:v -map 1:a -map 1:a \
        -c:a:0 aac -c:a:1 ac3 -metadata:s:a:0 language=ger -metadata:s:a:0 title=Deutsch \
        -metadata:s:a:1 language=eng -disposition:a:0 default -disposition:a:1 visual_impaired";
    let mut made = Vec::new();
    for (name, how) in [("hdr.mkv", hdr), ("shaped.mkv", shaped), ("flagged.mkv", flagged)] {
        let out = text(name);
        let arguments = ["-c:a", "aac"];
        let arguments = source
            .split_whitespace()
            .chain(arguments)
            .chain(how.split_whitespace())
            .chain(["-y", &out]);
        ffmpeg::run(&arguments.collect::<Vec<_>>()).expect("ffmpeg makes it");
        made.push(folder.path(name));
    }
    // Not MP3: the MP4 muxer says that one channel is two.
    let clips = ["av1-opus.mkv", "vp9-flac.mkv", "e-ac-3.mkv", "alac.mkv", "hevc-ac-3.mkv"];
    made.extend(clips.map(matroska::encoded));
    for file in made {
        let out = text("copy.mp4");
        let input = file.to_str().expect("text");
        ffmpeg::run(&["-i", input, "-map", "0", "-c", "copy", "-strict", "-2", "-y", &out])
            .expect("ffmpeg copies it");
        let ours = read(&fs::read(&file).expect("a file"));
        let copied = read(&fs::read(&out).expect("a file"));
        let all =
            |movie: &Movie| movie.tracks.iter().map(described).collect::<Vec<_>>().join("\n\n");
        let (ours, copied) = (all(&ours), all(&copied));
        assert!(ours == copied, "{}:\n{ours}\n\nand the copy:\n{copied}", file.display());
    }
}
