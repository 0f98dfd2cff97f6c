//! What a server of videos makes of a title, and what is asked for in a cell.

use std::fmt;

use crate::cell::{parse_size, size};

/// One kind of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Media segments of the pictures.
    Video,
    /// Media segments of the sound.
    Audio,
    /// Ranges of `length` bytes of the virtual file with its index in front.
    Play { length: u64 },
    /// Multivariant and media playlists.
    Playlist,
    /// The manifest of DASH.
    Mpd,
}

impl Product {
    /// Reads `hls-video`, `hls-audio`, `play-SIZE`, `playlist` or `mpd`; `None` for anything else.
    pub fn parse(typed: &str) -> Option<Self> {
        match typed {
            "hls-video" => Some(Product::Video),
            "hls-audio" => Some(Product::Audio),
            "playlist" => Some(Product::Playlist),
            "mpd" => Some(Product::Mpd),
            _ => Some(Product::Play { length: parse_size(typed.strip_prefix("play-")?)? }),
        }
    }

    /// A number of its own, so that no two products are asked for by equal random numbers.
    pub fn stream(self) -> u64 {
        match self {
            Product::Video => 1 << 48,
            Product::Audio => 2 << 48,
            Product::Playlist => 3 << 48,
            Product::Mpd => 4 << 48,
            Product::Play { length } => 5 << 48 | length << 16,
        }
    }
}

impl fmt::Display for Product {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Product::Video => write!(out, "video segments"),
            Product::Audio => write!(out, "audio segments"),
            Product::Play { length } => write!(out, "{} of play.mp4", size(length)),
            Product::Playlist => write!(out, "playlists"),
            Product::Mpd => write!(out, "MPDs"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_products_share_their_random_numbers() {
        let typed = ["hls-video", "hls-audio", "playlist", "mpd", "play-64k", "play-1m"];
        let mut streams = typed.map(|typed| Product::parse(typed).unwrap().stream());
        streams.sort_unstable();
        assert!(streams.windows(2).all(|pair| pair[0] + 1000 < pair[1]));
        assert_eq!(Product::parse("play"), None);
    }
}
