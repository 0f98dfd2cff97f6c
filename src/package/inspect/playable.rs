//! Whether a title plays: the short form of a report, without reading any sample.

use super::{
    foreign::Foreign,
    players,
    remux::Progress,
    report::{Player, Plays},
    verdicts::MediaTracks,
};
use crate::{
    movie::Movie,
    package::{container::Container, title},
};

/// Whether a title plays, and why not.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct Playable {
    /// Whether browsers commonly play the file as it is: its container, and its codecs.
    pub file: bool,
    /// Whether segments of HLS and DASH can be made.
    pub segments: bool,
    /// Why not; empty if both are true.
    pub reasons: Vec<String>,
}

impl Playable {
    /// A title that does not play; with the reason.
    pub fn no(reason: String) -> Self {
        Self { reasons: vec![reason], ..Self::default() }
    }

    /// Of a movie.
    pub fn of_movie(movie: &Movie) -> Self {
        let players = MediaTracks::new(movie, &title::offered(movie)).players();
        let browsers = || players.iter().filter(|it| players::COMMON_BROWSERS.contains(&it.name));
        let file = browsers().all(|browser| browser.progressive.plays == Plays::Yes);
        let segments = players.iter().any(|player| player.hls.plays != Plays::No);
        let reasons = match (file, segments) {
            (true, true) => Vec::new(),
            (_, false) => super::reasons(&players),
            (false, true) => browsers().filter_map(progressive_reason).collect(),
        };
        Self { file, segments, reasons }
    }

    /// Of a file that is not remuxed yet: in another container, or MP4 with a compressed index.
    pub fn before_remux(foreign: Option<&Foreign>, progress: &Progress) -> Self {
        let container = foreign.map_or(Container::IsoMedia, |foreign| foreign.container);
        let file = foreign.is_some_and(|foreign| foreign.browsers.plays == Plays::Yes);
        let segments = progress.may_play();
        let browsers = foreign.filter(|_| !file).map(|foreign| foreign.browsers.reason.clone());
        let remux = (!(file && segments)).then(|| progress.sentence(container.name()));
        Self { file, segments, reasons: browsers.into_iter().chain(remux).collect() }
    }

    /// Of a file in another container than MP4: with the movie that it is, or that was remuxed from it.
    pub fn of_foreign(foreign: &Foreign, movie: &Movie) -> Self {
        let of_movie = Self::of_movie(movie);
        let file = foreign.browsers.plays == Plays::Yes;
        let reasons = match (file, of_movie.segments) {
            (true, true) => Vec::new(),
            (false, _) if of_movie.file => vec![foreign.browsers.reason.clone()],
            _ => of_movie.reasons,
        };
        Self { file, segments: of_movie.segments, reasons }
    }
}

fn progressive_reason(browser: &Player) -> Option<String> {
    let verdict = &browser.progressive;
    (verdict.plays != Plays::Yes).then(|| format!("{}: {}", browser.name, verdict.reason))
}
