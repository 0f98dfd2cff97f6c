//! Verdicts: which player plays the movie, from the table of players and the movie's tracks.

use super::{
    players::{Format, PLAYERS, Player, Support},
    report::{self, Plays, Transcode, Verdict},
    words,
};
use crate::{
    movie::{
        Movie, Track,
        codec::{Codec, SegmentAudio},
    },
    package::{stills, title::Offered},
};

/// The delivery of a movie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Delivery {
    /// As one MP4.
    Progressive,
    /// In segments.
    Segments,
}

/// A video or audio track.
struct MediaTrack<'a> {
    format: Format,
    codec: Codec,
    track: &'a Track,
    /// Whether segments carry the track; the error is the reason why not.
    offer: Result<(), String>,
}

/// The video and audio tracks of a movie.
pub(super) struct MediaTracks<'a> {
    video: Vec<MediaTrack<'a>>,
    audio: Vec<MediaTrack<'a>>,
    /// Whether Headwater encodes the video of its own accord.
    is_video_encoded: bool,
}

impl<'a> MediaTracks<'a> {
    /// Selects the video and audio tracks of a movie.
    pub(super) fn new(movie: &'a Movie, offered: &[Offered]) -> Self {
        let tracks = movie.tracks.iter().enumerate().filter_map(|(place, track)| {
            let format = Format::from_entry(&track.entry)?;
            let is_offered = offered.iter().any(|offered| offered.place == place);
            let offer = if is_offered { Ok(()) } else { Err(not_offered(track)) };
            Some(MediaTrack { format, codec: track.entry.codec, track, offer })
        });
        let (video, audio) = tracks.partition(|media: &MediaTrack<'_>| media.track.is_video());
        Self { video, audio, is_video_encoded: stills::encoded_video(movie).is_some() }
    }

    /// The verdicts of all players.
    pub(super) fn players(&self) -> Vec<report::Player> {
        let report = |player: &Player| report::Player {
            name: player.name,
            versions: player.versions,
            progressive: self.verdict(player, Delivery::Progressive, (Support::Yes, "")),
            hls: self.verdict(player, Delivery::Segments, player.hls),
            dash: self.verdict(player, Delivery::Segments, player.dash),
        };
        PLAYERS.iter().map(report).collect()
    }

    /// Tracks that need transcoding, with the players that need it.
    pub(super) fn transcodes(&self) -> Vec<Transcode> {
        let transcode = |media: &MediaTrack<'_>| {
            let (mut needed_for, mut perhaps_for) = (Vec::new(), Vec::new());
            let can_be_sent = media.offer.is_ok() || media.track.entry.packageable().is_ok();
            if !can_be_sent {
                needed_for.push("HLS and DASH".to_owned());
            }
            for player in PLAYERS {
                let [progressive, segments] = (player.row)(media.format);
                match if can_be_sent { segments } else { progressive } {
                    Support::Yes => {}
                    Support::Depends(_) => perhaps_for.push(player.name.to_owned()),
                    Support::No => needed_for.push(player.name.to_owned()),
                }
            }
            let is_needed = !needed_for.is_empty() || !perhaps_for.is_empty();
            // Transcoding needs the key, which Headwater does not have.
            (is_needed && media.format != Format::Encrypted).then(|| Transcode {
                track: media.track.id,
                from: words::codec(&media.track.entry),
                to: if media.track.is_video() { "H.264 (8 bit, 4:2:0)" } else { "AAC" },
                needed_for,
                perhaps_for,
            })
        };
        self.video.iter().chain(&self.audio).filter_map(transcode).collect()
    }

    fn verdict(
        &self,
        player: &Player,
        delivery: Delivery,
        (support, how): (Support, &str),
    ) -> Verdict {
        let mut reasoning = Reasoning { how: how.to_owned(), ..Reasoning::default() };
        match support {
            Support::Yes => {}
            Support::Depends(on) => {
                reasoning.is_conditional = true;
                reasoning.how = format!("{how}; {on}");
            }
            Support::No => return reasoning.verdict(Plays::No),
        }
        let is_segmented = delivery == Delivery::Segments;
        let is_video_encoded = is_segmented && self.is_video_encoded;
        let is_audio_encoded = is_segmented && is_audio_encoded(&self.audio);
        let video = select(player, delivery, (&self.video, is_video_encoded), &mut reasoning);
        let audio = select(player, delivery, (&self.audio, is_audio_encoded), &mut reasoning);
        match (video, audio) {
            (Selection::Absent, Selection::Absent) => {
                reasoning.reasons.push("the file has no video and no audio".to_owned());
                reasoning.verdict(Plays::No)
            }
            (
                Selection::Unplayable | Selection::Absent,
                Selection::Unplayable | Selection::Absent,
            ) => reasoning.verdict(Plays::No),
            (Selection::Unplayable, Selection::Playable) => {
                reasoning.reasons.push("plays audio only".to_owned());
                reasoning.verdict(Plays::Partly)
            }
            (Selection::Playable, Selection::Unplayable) => {
                reasoning.reasons.push("plays video only".to_owned());
                reasoning.verdict(Plays::Partly)
            }
            _ if reasoning.is_conditional => reasoning.verdict(Plays::Depends),
            _ => reasoning.verdict(Plays::Yes),
        }
    }
}

/// Why a track is not sent in segments.
pub(super) fn not_offered(track: &Track) -> String {
    match track.entry.packageable() {
        Err(why) => why.to_string(),
        Ok(()) if track.is_video() => {
            "segments carry one video track, and another one was selected".to_owned()
        }
        Ok(()) => "segments do not carry tracks of this kind".to_owned(),
    }
}

/// Who makes the transcoded track, and when.
const MADE: &str = "Headwater makes of it with ffmpeg at the first request for a manifest";

/// Whether Headwater encodes audio of its own accord: browsers play none of it in segments, and it can be
/// decoded.
fn is_audio_encoded(tracks: &[MediaTrack<'_>]) -> bool {
    let plays =
        |media: &MediaTrack<'_>| media.track.entry.segment_audio() == Some(SegmentAudio::Plays);
    let is_decodable = |media: &MediaTrack<'_>| media.format != Format::Encrypted;
    !tracks.iter().any(plays) && tracks.iter().any(is_decodable)
}

/// Audio that browsers fail to play in segments although CODECS promises it, for people.
pub(super) fn misleading(track: &Track) -> String {
    match track.entry.codec {
        Codec::Mp3 => "MP3".to_owned(),
        codec => format!("{codec} without a channel configuration"),
    }
}

/// The reasons for a verdict.
#[derive(Default)]
struct Reasoning {
    /// Requirements of playback, for example a library.
    how: String,
    /// The codecs of encrypted tracks.
    encrypted: Vec<String>,
    reasons: Vec<String>,
    is_conditional: bool,
}

impl Reasoning {
    fn add_condition(&mut self, what: &str, on: &str) {
        self.is_conditional = true;
        self.reasons.push(format!("{what} depends {on}"));
    }

    /// Adds the condition that Headwater has transcoded a track.
    fn add_transcoded(&mut self, media: &MediaTrack<'_>) -> Selection {
        self.is_conditional = true;
        let to = if media.track.is_video() { "H.264" } else { "AAC" };
        self.reasons.push(format!("plays the {to} that {MADE}"));
        Selection::Playable
    }

    /// One sentence for all encrypted tracks, if there are any.
    fn encryption(&self) -> Option<String> {
        match &*self.encrypted {
            [] => None,
            [codec] => {
                Some(format!("the {codec} track is encrypted, and Headwater delivers no keys"))
            }
            [video, audio, ..] => Some(format!(
                "the {video} and {audio} tracks are encrypted, and Headwater delivers no keys"
            )),
        }
    }

    fn verdict(mut self, plays: Plays) -> Verdict {
        if let Some(encryption) = self.encryption() {
            self.reasons.insert(0, encryption);
        }
        if plays != Plays::No && !self.how.is_empty() {
            self.reasons.insert(0, self.how);
        }
        Verdict { plays, reason: self.reasons.join("; ") }
    }
}

/// The track of one kind that a player plays.
enum Selection {
    /// The movie has no track of this kind.
    Absent,
    /// The player plays none of them.
    Unplayable,
    Playable,
}

/// Selects the track of one kind that a player plays.
fn select(
    player: &Player,
    delivery: Delivery,
    (tracks, is_transcoded): (&[MediaTrack<'_>], bool),
    reasoning: &mut Reasoning,
) -> Selection {
    let support = |media: &MediaTrack<'_>| {
        let [progressive, segments] = (player.row)(media.format);
        if delivery == Delivery::Progressive { progressive } else { segments }
    };
    let rank = |media: &&MediaTrack<'_>| match support(media) {
        Support::Yes => 0,
        Support::Depends(_) => 1,
        Support::No => 2,
    };
    let candidate = match delivery {
        // Players of one file take the first enabled track, whatever its codec.
        Delivery::Progressive => {
            let enabled = tracks.iter().find(|media| media.track.is_enabled);
            enabled.or(tracks.first())
        }
        // Players of playlists take a track that they support.
        Delivery::Segments => tracks.iter().filter(|media| media.offer.is_ok()).min_by_key(rank),
    };
    let Some(selected) = candidate else {
        let Some(first) = tracks.first() else { return Selection::Absent };
        if let Err(why) = &first.offer {
            reasoning.reasons.push(why.clone());
        }
        return if is_transcoded { reasoning.add_transcoded(first) } else { Selection::Unplayable };
    };
    let codec = selected.codec.to_string();
    match support(selected) {
        Support::Yes => Selection::Playable,
        Support::Depends(on) => {
            reasoning.add_condition(&codec, on);
            Selection::Playable
        }
        Support::No if selected.format == Format::Encrypted => {
            reasoning.encrypted.push(codec);
            Selection::Unplayable
        }
        Support::No => {
            reasoning.reasons.push(match selected.track.entry.segment_audio() {
                Some(SegmentAudio::Misleads) if delivery == Delivery::Segments => {
                    format!("Media Source refuses {} in segments", misleading(selected.track))
                }
                _ => format!("no decoder for {codec}"),
            });
            if is_transcoded { reasoning.add_transcoded(selected) } else { Selection::Unplayable }
        }
    }
}
