//! How each player gets on with a movie: the table of players, asked for each track.

use super::{
    players::{Format, PLAYERS, Player, Says},
    report::{self, Plays, Transcode, Verdict},
    words,
};
use crate::{
    movie::{Movie, Track, codec::Codec},
    package::title::Offered,
};

/// In which way a movie is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    /// As one MP4.
    Progressive,
    /// In segments.
    Segments,
}

/// A track that is seen or heard, and what a player says to it.
struct Asked<'a> {
    format: Format,
    codec: Codec,
    track: &'a Track,
    /// Its place among those that are sent in segments; an error says why it is not.
    offer: Result<usize, String>,
}

/// The tracks of a movie that can be seen or heard.
pub(super) struct Tracks<'a> {
    video: Vec<Asked<'a>>,
    audio: Vec<Asked<'a>>,
}

impl<'a> Tracks<'a> {
    /// Those of a movie.
    pub(super) fn of(movie: &'a Movie, offered: &[Offered]) -> Self {
        let asked = movie.tracks.iter().enumerate().filter_map(|(place, track)| {
            let format = Format::of(&track.entry)?;
            let offer = offered.iter().position(|offered| offered.place == place);
            let offer = offer.ok_or_else(|| not_offered(track));
            Some(Asked { format, codec: track.entry.codec, track, offer })
        });
        let (video, audio) = asked.partition(|asked: &Asked<'_>| asked.track.is_video());
        Self { video, audio }
    }

    /// What all players make of it.
    pub(super) fn players(&self) -> Vec<report::Player> {
        let report = |player: &Player| report::Player {
            name: player.name,
            versions: player.versions,
            progressive: self.verdict(player, Way::Progressive, (Says::Yes, "")),
            hls: self.verdict(player, Way::Segments, player.hls),
            dash: self.verdict(player, Way::Segments, player.dash),
        };
        PLAYERS.iter().map(report).collect()
    }

    /// What has to be encoded anew, and for whom.
    pub(super) fn transcodes(&self) -> Vec<Transcode> {
        let of = |asked: &Asked<'_>| {
            let (mut needed_for, mut perhaps_for) = (Vec::new(), Vec::new());
            let can_be_sent = asked.offer.is_ok() || asked.track.entry.packageable().is_ok();
            if !can_be_sent {
                needed_for.push("HLS and DASH".to_owned());
            }
            for player in PLAYERS {
                let [progressive, segments] = (player.row)(asked.format);
                match if can_be_sent { segments } else { progressive } {
                    Says::Yes => {}
                    Says::Depends(_) => perhaps_for.push(player.name.to_owned()),
                    Says::No => needed_for.push(player.name.to_owned()),
                }
            }
            let is_needed = !needed_for.is_empty() || !perhaps_for.is_empty();
            // Encoding takes a key that nobody has given us.
            (is_needed && asked.format != Format::Encrypted).then(|| Transcode {
                track: asked.track.id,
                from: words::codec(&asked.track.entry),
                to: if asked.track.is_video() { "H.264 (8 bit, 4:2:0)" } else { "AAC" },
                needed_for,
                perhaps_for,
            })
        };
        self.video.iter().chain(&self.audio).filter_map(of).collect()
    }

    fn verdict(&self, player: &Player, way: Way, (takes, how): (Says, &str)) -> Verdict {
        let mut said = Said { how: how.to_owned(), ..Said::default() };
        match takes {
            Says::Yes => {}
            Says::Depends(on) => {
                said.is_doubtful = true;
                said.how = format!("{how}; {on}");
            }
            Says::No => return said.verdict(Plays::No),
        }
        let video = choose(player, way, &self.video, &mut said);
        let audio = choose(player, way, &self.audio, &mut said);
        match (video, audio) {
            (Chosen::Nothing, Chosen::Nothing) => {
                said.reasons.push("there is nothing to be seen or heard".to_owned());
                said.verdict(Plays::No)
            }
            (Chosen::None | Chosen::Nothing, Chosen::None | Chosen::Nothing) => {
                said.verdict(Plays::No)
            }
            (Chosen::None, Chosen::One) => {
                said.reasons.push("only the sound is left".to_owned());
                said.verdict(Plays::Partly)
            }
            (Chosen::One, Chosen::None) => {
                said.reasons.push("only the pictures are left".to_owned());
                said.verdict(Plays::Partly)
            }
            _ if said.is_doubtful => said.verdict(Plays::Depends),
            _ => said.verdict(Plays::Yes),
        }
    }
}

/// Why a track is not offered in segments.
pub(super) fn not_offered(track: &Track) -> String {
    match track.entry.packageable() {
        Err(why) => why.to_string(),
        Ok(()) if track.is_video() => {
            "another track of pictures is offered, and one title has one".to_owned()
        }
        Ok(()) => "tracks of its kind are not offered as segments".to_owned(),
    }
}

#[derive(Default)]
struct Said {
    /// By what it plays, if it does.
    how: String,
    reasons: Vec<String>,
    is_doubtful: bool,
}

impl Said {
    fn depends(&mut self, what: &str, on: &str) {
        self.is_doubtful = true;
        self.reasons.push(format!("{what} depends {on}"));
    }

    fn verdict(mut self, plays: Plays) -> Verdict {
        if plays != Plays::No && !self.how.is_empty() {
            self.reasons.insert(0, self.how);
        }
        Verdict { plays, reason: self.reasons.join("; ") }
    }
}

enum Chosen {
    /// The movie has nothing of this kind.
    Nothing,
    /// It has, but nothing that this player plays.
    None,
    One,
}

/// What a player does with the tracks of one kind.
fn choose(player: &Player, way: Way, tracks: &[Asked<'_>], said: &mut Said) -> Chosen {
    let says = |asked: &Asked<'_>| {
        let [progressive, segments] = (player.row)(asked.format);
        if way == Way::Progressive { progressive } else { segments }
    };
    let rank = |asked: &&Asked<'_>| match says(asked) {
        Says::Yes => 0,
        Says::Depends(_) => 1,
        Says::No => 2,
    };
    let chosen = match way {
        // Of one file the first is played that is enabled, whatever it is.
        Way::Progressive => {
            let enabled = tracks.iter().find(|asked| asked.track.is_enabled);
            enabled.or(tracks.first())
        }
        // In a playlist a player finds what it can play.
        Way::Segments => tracks.iter().filter(|asked| asked.offer.is_ok()).min_by_key(rank),
    };
    let Some(chosen) = chosen else {
        let Some(first) = tracks.first() else { return Chosen::Nothing };
        if let Err(why) = &first.offer {
            said.reasons.push(why.clone());
        }
        return Chosen::None;
    };
    let what = chosen.codec.to_string();
    match says(chosen) {
        Says::Yes => Chosen::One,
        Says::Depends(on) => {
            said.depends(&what, on);
            Chosen::One
        }
        Says::No if chosen.format == Format::Encrypted => {
            said.reasons.push(format!("the {what} is encrypted, and no key is handed out here"));
            Chosen::None
        }
        Says::No => {
            said.reasons.push(format!("{what} is not decoded"));
            Chosen::None
        }
    }
}
