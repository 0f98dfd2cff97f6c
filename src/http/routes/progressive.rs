//! `/v/<title>/play.mp4`: a title as one MP4 that a player can begin with at once.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web::Data};
use percent_encoding::percent_decode_str;

use super::streams;
use crate::titles::opened::Opened;
use crate::{
    extent::{Caching, Content, Extent, Extents, ReadError, Source, Validator},
    http::{Error, Site},
    package::{
        clip::{self, Clip, ClipRefused},
        faststart::{Faststart, faststart},
        title,
    },
};

/// What a query asks for.
#[derive(Debug, Default, Eq, PartialEq)]
struct Wanted {
    start_ms: u64,
    end_ms: Option<u64>,
    /// Folders of tracks; empty for all.
    tracks: Vec<String>,
}

pub(super) async fn play(
    request: &HttpRequest,
    site: &Data<Site>,
    opened: &Opened,
) -> Result<HttpResponse, Error> {
    let wanted = Wanted::parse(request.query_string())?;
    let mut tag = tag(opened);
    let extents = if wanted == Wanted::default() && opened.movie.fragments == 0 {
        whole(site, opened).await?
    } else {
        let clip = wanted.clip(opened)?;
        let places = clip.tracks.iter().map(|place| format!("-{place}")).collect::<String>();
        let end_ms = clip.end_ms.unwrap_or(0);
        tag = format!("{tag}-{}-{end_ms}{places}", clip.start_ms);
        part(site, opened, clip).await?
    };
    streams::send(request, site, content(opened, &tag, extents)).await
}

/// The whole of a title, if nothing has to be waited for.
pub(super) fn whole_now(site: &Site, opened: &Opened) -> Option<Content> {
    if opened.movie.fragments > 0 {
        return None;
    }
    let identity = opened.file.identity();
    let front = match site.made.front(identity) {
        Some(front) => front,
        None => {
            let made = faststart(&opened.movie, &opened.file.nonblocking_reader()).ok()?;
            // What is kept is of this state of the file, or of none.
            opened.file.check().ok()?;
            site.made.keep_front(*identity, made)
        }
    };
    Some(content(opened, &tag(opened), sent(opened, &front).ok()?))
}

/// Names the whole of a title.
fn tag(opened: &Opened) -> String {
    format!("{}-play", opened.version)
}

fn content(opened: &Opened, tag: &str, extents: Extents) -> Content {
    Content {
        extents,
        validator: Some(Validator::new(tag)),
        last_modified: Some(opened.file.identity().modified()),
        media_type: "video/mp4",
        caching: Caching::File,
    }
}

/// A file with its index in front, or as it is.
fn sent(opened: &Opened, front: &Option<Faststart>) -> Result<Extents, ReadError> {
    match front {
        Some(front) => front.extents(&opened.file),
        None => Ok(Extents::from(Extent::whole(Arc::clone(&opened.file) as _))),
    }
}

/// The whole file, with its index in front.
async fn whole(site: &Site, opened: &Opened) -> Result<Extents, Error> {
    let Opened { file, movie, .. } = opened;
    let front = match site.made.front(file.identity()) {
        Some(front) => front,
        None => {
            let movie = Arc::clone(movie);
            let made = file.run_in_pool(move |open| {
                let made = faststart(&movie, &open.blocking_reader())?;
                open.check().map(|()| made)
            });
            site.made.keep_front(*file.identity(), made.await.map_err(ReadError::from)??)
        }
    };
    Ok(sent(opened, &front)?)
}

/// A part of a title, or a fragmented file as a whole one. Made beside the I/O workers: it may look at
/// all samples.
async fn part(site: &Site, opened: &Opened, wanted: Clip) -> Result<Extents, Error> {
    let Opened { file, movie, .. } = opened;
    let identity = *file.identity();
    if let Some(made) = site.made.clip(&identity, &wanted) {
        return Ok(made);
    }
    let (source, movie): (Arc<dyn Source>, _) = (Arc::clone(file) as _, Arc::clone(movie));
    let asked = wanted.clone();
    let made = file.run_in_pool(move |open| {
        let made = clip::clip(&movie, &asked, &source, &open.blocking_reader())?;
        open.check().map(|()| made).map_err(ClipRefused::from)
    });
    let made = match made.await.map_err(ReadError::from)? {
        Ok(made) => made,
        Err(ClipRefused::Read(error)) => return Err(error.into()),
        Err(refused) => return Err(Error::Unprocessable(refused.to_string())),
    };
    site.made.keep_clip(identity, wanted, made.clone());
    Ok(made)
}

impl Wanted {
    fn parse(query: &str) -> Result<Self, Error> {
        let mut wanted = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            // Whatever builds URLs encodes a comma.
            let value = &*percent_decode_str(value).decode_utf8_lossy();
            let time = || {
                milliseconds(value).ok_or_else(|| {
                    let message = "must be a time in seconds, such as 90 or 12.5";
                    Error::BadRequest(format!("{key} {message}"))
                })
            };
            match key {
                "start" => wanted.start_ms = time()?,
                "end" => wanted.end_ms = Some(time()?),
                "tracks" => {
                    let tracks = value.split(',').filter(|track| !track.is_empty());
                    wanted.tracks = tracks.map(str::to_owned).collect();
                }
                // Whatever analytics add to a URL.
                _ => {}
            }
        }
        if wanted.end_ms.is_some_and(|end_ms| end_ms <= wanted.start_ms) {
            return Err(Error::BadRequest("end must be later than start".to_owned()));
        }
        Ok(wanted)
    }

    fn clip(self, opened: &Opened) -> Result<Clip, Error> {
        let movie = &opened.movie;
        let mut tracks: Vec<usize> = (0..movie.tracks.len()).collect();
        let is_encrypted = |place: &usize| movie.tracks[*place].entry.encryption.is_some();
        let has_media = |place: &usize| {
            let track = &movie.tracks[*place];
            track.is_video() || track.is_audio()
        };
        if !tracks.iter().any(has_media) {
            return Err(streams::refused(movie));
        }
        if !self.tracks.is_empty() {
            let offered = title::offered(movie);
            let place = |folder: &String| {
                let found = offered.iter().find(|offered| offered.folder == *folder);
                found.map(|offered| offered.place).ok_or_else(|| {
                    let known: Vec<&str> =
                        offered.iter().map(|offered| offered.folder.as_str()).collect();
                    Error::BadRequest(format!("tracks must be of these: {}", known.join(", ")))
                })
            };
            tracks = self.tracks.iter().map(place).collect::<Result<_, _>>()?;
            tracks.sort_unstable();
            tracks.dedup();
        }
        tracks.retain(|place| has_media(place) || !is_encrypted(place));
        // What says how samples are encrypted lies beside them, and would be lost.
        if let Some(place) = tracks.iter().find(|place| is_encrypted(place)) {
            let id = movie.tracks[*place].id;
            let message = format!(
                "track {id} is encrypted: neither a part of it nor a fragmented file as a whole one \
                 is made; HLS and DASH have it, or the file as it is"
            );
            return Err(Error::Unprocessable(message));
        }
        Ok(Clip { start_ms: self.start_ms, end_ms: self.end_ms, tracks })
    }
}

/// Decimal seconds as milliseconds, exactly.
pub(super) fn milliseconds(seconds: &str) -> Option<u64> {
    let (whole, part) = seconds.split_once('.').unwrap_or((seconds, ""));
    let is_plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_plain(whole) || !is_plain(part) {
        return None;
    }
    let thousandths = part.bytes().chain(*b"000").take(3);
    let part_ms = thousandths.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(part_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_decimal_seconds() {
        for (text, ms) in [
            ("0", Some(0)),
            ("90", Some(90_000)),
            ("12.5", Some(12_500)),
            ("0.0019", Some(1)),
            ("1.", Some(1000)),
            ("", None),
            (".5", None),
            ("-1", None),
            ("1e3", None),
            ("1:30", None),
            ("99999999999999999999", None),
            ("18446744073709552", None),
        ] {
            assert_eq!(milliseconds(text), ms, "{text}");
        }
    }

    #[test]
    fn a_query_says_what_of_a_title() {
        let wanted = Wanted::parse("start=1.5&end=3&tracks=video-1,audio-2&utm=x").expect("legal");
        let tracks = vec!["video-1".to_owned(), "audio-2".to_owned()];
        assert_eq!(wanted, Wanted { start_ms: 1500, end_ms: Some(3000), tracks });
        let encoded = Wanted::parse("end=3%2e0&start=1.5&tracks=video-1%2Caudio-2");
        assert_eq!(encoded.expect("legal"), wanted);
        assert!(Wanted::parse("start=3&end=3").is_err());
        assert!(Wanted::parse("start=x").is_err());
        assert_eq!(Wanted::parse("").expect("legal"), Wanted::default());
    }
}
