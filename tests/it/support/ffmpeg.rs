//! ffmpeg and ffprobe as clients: the packets and frames of a movie, from the disk or by HTTP, and
//! their presentation times.

use std::{
    collections::BTreeMap,
    ops::Sub,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Condvar, LazyLock, Mutex, PoisonError},
};

use headwater::transcode::program::find_program;
use serde::Deserialize;

/// The number of concurrent processes in all tests: more would only take turns.
const AT_A_TIME: usize = 2;

static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// Whether both are installed.
static PROGRAMS: LazyLock<Option<(PathBuf, PathBuf)>> =
    LazyLock::new(|| find_program("ffmpeg").zip(find_program("ffprobe")));

/// Whether tests with ffmpeg can run. Prints a line if not.
pub fn is_installed() -> bool {
    if PROGRAMS.is_none() {
        eprintln!("this test did not run: ffmpeg is not installed");
    }
    PROGRAMS.is_some()
}

/// Runs ffmpeg. Returns its output, or its errors.
pub fn run(arguments: &[&str]) -> Result<Vec<u8>, String> {
    let (ffmpeg, _) = PROGRAMS.as_ref().expect("is_installed() checked it");
    output(Command::new(ffmpeg).args(["-nostdin", "-v", "error"]).args(arguments))
}

/// Runs ffprobe. Returns its output, or its errors.
pub fn probe(arguments: &[&str]) -> Result<Vec<u8>, String> {
    let (_, ffprobe) = PROGRAMS.as_ref().expect("is_installed() checked it");
    output(Command::new(ffprobe).args(["-v", "error"]).args(arguments))
}

fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    let (running, changed) = &RUNNING;
    let running_now = running.lock().unwrap_or_else(PoisonError::into_inner);
    let too_many = |running: &mut usize| *running >= AT_A_TIME;
    let free = changed.wait_while(running_now, too_many);
    *free.unwrap_or_else(PoisonError::into_inner) += 1;
    let output = command.stdin(Stdio::null()).output();
    *running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
    changed.notify_one();
    let output = output.expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(output.stdout)
    } else {
        let last: Vec<_> = errors.lines().rev().take(4).collect();
        Err(format!("{}: {}", output.status, last.join(" / ")))
    }
}

/// Video or audio; other tracks are not compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Video.
    Video,
    /// Audio.
    Audio,
}

/// An exact time or duration, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Seconds {
    numerator: i128,
    denominator: i128,
}

impl Seconds {
    /// This many ticks of this length.
    pub fn from_ticks(ticks: i64, base: Base) -> Self {
        let numerator = i128::from(ticks) * i128::from(base.0);
        Self { numerator, denominator: i128::from(base.1) }
    }

    /// The same, rounded to nanoseconds.
    pub fn nanoseconds(self) -> i128 {
        let scaled = self.numerator * 1_000_000_000;
        (scaled + self.denominator / 2).div_euclid(self.denominator)
    }

    /// Its distance from zero.
    pub fn magnitude(self) -> Self {
        Self { numerator: self.numerator.abs(), ..self }
    }
}

impl Sub for Seconds {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let (a, b) = (self.denominator, other.denominator);
        Self { numerator: self.numerator * b - other.numerator * a, denominator: a * b }.reduced()
    }
}

impl Seconds {
    fn reduced(self) -> Self {
        let (mut a, mut b) = (self.numerator.abs(), self.denominator);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self { numerator: self.numerator / a, denominator: self.denominator / a }
    }
}

impl PartialEq for Seconds {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Seconds {}

impl PartialOrd for Seconds {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Seconds {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.numerator * other.denominator).cmp(&(other.numerator * self.denominator))
    }
}

/// The length of a tick, in seconds: numerator and denominator.
pub type Base = (i64, i64);

/// A track, as a demuxer reads it.
#[derive(Clone, Debug)]
pub struct Track {
    /// Its index, for `-map`.
    pub index: usize,
    /// Video or audio.
    pub kind: Kind,
    /// The codec, as ffmpeg calls it.
    pub codec: String,
    /// The unit of its times.
    pub base: Base,
    /// Width times height; 0 for audio.
    pub pixels: u64,
    /// The duration in its header.
    pub language: Option<String>,
    /// The rotation, in degrees.
    pub rotation: Option<i64>,
    /// In decoding order.
    pub packets: Vec<Packet>,
}

/// A sample, as a demuxer reads it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Packet {
    /// The presentation time.
    pub pts: i64,
    /// The decoding time.
    pub dts: Option<i64>,
    /// The duration.
    pub duration: i64,
    /// Whether decoding can begin here.
    pub is_key: bool,
    /// Whether an edit list hides it: it is decoded, but not shown.
    pub is_hidden: bool,
    /// Its length in bytes and their digest.
    pub digest: String,
}

impl Track {
    /// The presentation time of a packet.
    pub fn shown_at(&self, packet: &Packet) -> Seconds {
        Seconds::from_ticks(packet.pts, self.base)
    }

    /// The end of its presentation.
    pub fn shown_until(&self, packet: &Packet) -> Seconds {
        Seconds::from_ticks(packet.pts + packet.duration, self.base)
    }

    /// The packets that are shown.
    pub fn shown(&self) -> impl DoubleEndedIterator<Item = &Packet> {
        self.packets.iter().filter(|packet| !packet.is_hidden)
    }
}

#[derive(Deserialize)]
struct Probed {
    #[serde(default)]
    streams: Vec<ProbedStream>,
    #[serde(default)]
    packets: Vec<ProbedPacket>,
}

#[derive(Deserialize)]
struct ProbedStream {
    index: usize,
    codec_type: Option<String>,
    codec_name: Option<String>,
    time_base: String,
    width: Option<u64>,
    height: Option<u64>,
    #[serde(default)]
    disposition: BTreeMap<String, u8>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Deserialize)]
struct SideData {
    rotation: Option<i64>,
}

#[derive(Deserialize)]
struct ProbedPacket {
    stream_index: usize,
    pts: Option<i64>,
    dts: Option<i64>,
    duration: Option<i64>,
    size: String,
    flags: String,
    data_hash: Option<String>,
}

/// ffmpeg's MPD reader ends with the shortest track, and loses the rest of all others. So their
/// tracks are read one by one.
fn is_read_one_by_one(input: &str) -> bool {
    Path::new(input).extension().is_some_and(|extension| extension == "mpd")
}

/// The tracks of a file or URL, without decoding. Cover images are left out.
pub fn tracks(input: &str) -> Result<Vec<Track>, String> {
    let of_stream = "stream=index,codec_type,codec_name,time_base,width,height\
        :stream_disposition=attached_pic:stream_tags=language:stream_side_data=rotation";
    let of_packet = "packet=stream_index,pts,dts,duration,size,flags,data_hash";
    let all = format!("{of_stream}:{of_packet}");
    let probed = |entries: &str, more: &[&str]| -> Result<Probed, String> {
        let how = ["-show_data_hash", "MD5", "-show_entries", entries, "-of", "json"];
        let json = probe(&[&how[..], more, &["-i", input]].concat())?;
        serde_json::from_slice(&json).map_err(|error| error.to_string())
    };
    let one_by_one = is_read_one_by_one(input);
    let Probed { streams, mut packets } = probed(if one_by_one { of_stream } else { &all }, &[])?;
    if one_by_one {
        for stream in &streams {
            let index = stream.index.to_string();
            packets.extend(probed(of_packet, &["-select_streams", &index])?.packets);
        }
    }
    let mut tracks = Vec::new();
    for stream in streams {
        let kind = match stream.codec_type.as_deref() {
            Some("video") => Kind::Video,
            Some("audio") => Kind::Audio,
            _ => continue,
        };
        if stream.disposition.get("attached_pic") == Some(&1) {
            continue;
        }
        tracks.push(Track {
            index: stream.index,
            kind,
            codec: stream.codec_name.unwrap_or_default(),
            base: base(&stream.time_base)?,
            pixels: stream.width.unwrap_or(0) * stream.height.unwrap_or(0),
            language: stream.tags.get("language").cloned(),
            rotation: stream.side_data_list.iter().find_map(|data| data.rotation),
            packets: Vec::new(),
        });
    }
    for packet in packets {
        let track = tracks.iter_mut().find(|track| track.index == packet.stream_index);
        let Some(track) = track else { continue };
        track.packets.push(Packet {
            pts: packet.pts.or(packet.dts).ok_or("a packet without a time")?,
            dts: packet.dts,
            duration: packet.duration.unwrap_or(0),
            is_key: packet.flags.contains('K'),
            is_hidden: packet.flags.contains('D'),
            digest: format!("{} {}", packet.size, packet.data_hash.unwrap_or_default()),
        });
    }
    Ok(tracks)
}

fn base(text: &str) -> Result<Base, String> {
    let parts = text.split_once('/').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    parts.filter(|&(a, b)| a > 0 && b > 0).ok_or_else(|| format!("not a time base: {text}"))
}

/// The decoded frames of a track.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// The presentation time of each frame, and the digest of its samples.
    pub frames: Vec<(Seconds, String)>,
}

/// Decodes tracks, by their [`index`](Track::index); any error fails. Frames that the edit list
/// hides are left out, where the demuxer knows the edit list.
pub fn decode(input: &str, indices: &[usize]) -> Result<Vec<Decoded>, String> {
    if is_read_one_by_one(input) && indices.len() > 1 {
        let one_by_one = indices.iter().map(|&index| Ok(decode(input, &[index])?.remove(0)));
        return one_by_one.collect();
    }
    let maps: Vec<_> = indices.iter().map(|index| format!("0:{index}")).collect();
    // No automatic rotation: the comparison is of decoded frames, not of displayed ones.
    let mut arguments = vec!["-xerror", "-copyts", "-noautorotate", "-i", input];
    maps.iter().for_each(|map| arguments.extend(["-map", map.as_str()]));
    arguments.extend(["-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "framemd5", "-"]);
    let text = String::from_utf8(run(&arguments)?).map_err(|error| error.to_string())?;
    let mut bases = vec![(1, 1); indices.len()];
    let mut decoded = vec![Decoded::default(); indices.len()];
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("#tb ") {
            let (stream, ticks) = rest.split_once(": ").ok_or("a time base")?;
            let place: usize = stream.parse().map_err(|_| "a stream's number")?;
            *bases.get_mut(place).ok_or("an unknown stream")? = base(ticks)?;
        } else if !line.starts_with('#') {
            let fields: Vec<_> = line.split(',').map(str::trim).collect();
            let &[stream, _, pts, _, size, digest, ..] = fields.as_slice() else {
                return Err(format!("not a frame: {line}"));
            };
            let place: usize = stream.parse().map_err(|_| "a stream's number")?;
            let pts = pts.parse().map_err(|_| format!("a frame without a time: {line}"))?;
            let frames = &mut decoded.get_mut(place).ok_or("an unknown stream")?.frames;
            frames.push((Seconds::from_ticks(pts, bases[place]), format!("{size} {digest}")));
        }
    }
    Ok(decoded)
}
