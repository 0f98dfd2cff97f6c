//! A file in another container than MP4: Headwater remuxes it, and plays the remuxed movie.

use super::report::{Place, Plays, Problem, RemuxReport, RemuxState, Report, Severity};

/// How far the remux of a file is, as the server knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Progress {
    /// No request has needed it yet.
    NotStarted,
    /// The job is queued or runs; in thousandths.
    Running(u16),
    /// The job failed; with the reason.
    Failed(String),
    /// The job cannot run here; with the missing resource.
    Unavailable(String),
}

/// What a remuxed movie does not have of its file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Losses {
    /// Sentences about streams that are left out.
    pub left_out: Vec<String>,
    /// The number of subtitles beside the movie.
    pub texts: usize,
}

impl Progress {
    /// Whether the title plays by a remux, or may.
    pub fn may_play(&self) -> bool {
        matches!(self, Self::NotStarted | Self::Running(_))
    }

    /// The progress with a file in this container, as a sentence.
    pub fn sentence(&self, container: &str) -> String {
        match self {
            Self::NotStarted => {
                format!("This is {container}, which Headwater remuxes into MP4 with ffmpeg.")
            }
            Self::Running(permille) => format!(
                "This is {container}; Headwater is remuxing it into MP4: {} %.",
                permille / 10
            ),
            Self::Failed(why) => {
                format!("This is {container}, and Headwater could not remux it into MP4: {why}.")
            }
            Self::Unavailable(why) => {
                format!("This is {container}, and Headwater cannot remux it into MP4 now: {why}.")
            }
        }
    }

    /// How severe that is, and the next step.
    fn advice(&self) -> (Severity, &'static str) {
        match self {
            Self::NotStarted => (
                Severity::Note,
                "It begins with the first request for a playlist, a manifest or play.mp4. Then this report \
                 is about the tracks of the remuxed movie.",
            ),
            Self::Running(_) => (
                Severity::Note,
                "The title plays when that is done. Then this report is about the tracks of the remuxed \
                 movie.",
            ),
            Self::Failed(_) => (
                Severity::Error,
                "The file itself is served below /media/. Check that other players play it.",
            ),
            Self::Unavailable(_) => (Severity::Error, "The file itself is served below /media/."),
        }
    }
}

impl Report {
    /// The report about a file of another container before its movie is there. It begins as that of
    /// [`inspect`](super::inspect).
    #[must_use]
    pub fn before_remux(mut self, progress: &Progress) -> Self {
        let (state, percent) = match progress {
            Progress::NotStarted => (RemuxState::NotStarted, 0),
            Progress::Running(permille) => (RemuxState::Running, permille / 10),
            Progress::Failed(_) => (RemuxState::Failed, 0),
            Progress::Unavailable(_) => (RemuxState::Unavailable, 0),
        };
        let (severity, advice) = progress.advice();
        let what = progress.sentence(&self.file.container);
        let plays_as_it_is =
            self.browsers.as_ref().is_some_and(|verdict| verdict.plays == Plays::Yes);
        self.playable = plays_as_it_is || progress.may_play();
        self.reasons = if self.playable { Vec::new() } else { vec![what.clone()] };
        // A compressed index is a sentence of its own; of another container this one is all.
        let is_movie = self.file.index.place != Place::Missing;
        self.problems.retain(|_| is_movie);
        self.problems.push(problem(severity, what, advice));
        for left_out in &self.left_out {
            let what = format!("It does not play in place: {}.", left_out.why);
            let advice = "HLS and DASH play the remuxed movie.";
            self.problems.push(problem(Severity::Note, what, advice));
        }
        self.remux = Some(RemuxReport { state, percent, left_out: Vec::new(), texts: 0 });
        self
    }

    /// The report about a file of another container whose movie is there: that of the movie, with the
    /// source file as the file.
    #[must_use]
    pub fn after_remux(mut self, source: Self, losses: Losses) -> Self {
        let container = &source.file.container;
        let what = format!(
            "This is {container}. Headwater has remuxed it into MP4, and this report is about the tracks of \
             that movie."
        );
        let advice = "No action needed.";
        self.problems.push(problem(Severity::Note, what, advice));
        if losses.texts > 0 {
            let what = match losses.texts {
                1 => "Its subtitles are WebVTT beside the movie.".to_owned(),
                texts => format!("Its {texts} subtitles are WebVTT beside the movie."),
            };
            self.problems.push(problem(Severity::Note, what, "play.mp4 has no subtitles."));
        }
        for left_out in &losses.left_out {
            let what = format!("Not in the remuxed movie: {left_out}.");
            self.problems.push(problem(Severity::Warning, what, "The file below /media/ has it."));
        }
        self.problems.sort_by_key(|problem| problem.severity);
        self.file = super::report::File {
            streams_version: self.file.streams_version.take(),
            interleaving: self.file.interleaving,
            average_extent_bytes: self.file.average_extent_bytes,
            ..source.file
        };
        self.browsers = source.browsers;
        let Losses { left_out, texts } = losses;
        self.remux = Some(RemuxReport { state: RemuxState::Done, percent: 100, left_out, texts });
        self
    }
}

fn problem(severity: Severity, sentence: String, advice: &str) -> Problem {
    Problem { severity, track: None, sentence, advice: advice.to_owned() }
}
