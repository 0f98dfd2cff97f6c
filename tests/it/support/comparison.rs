//! Compares a package with its source: the same packets byte for byte, shown at the same times up
//! to one offset, which is the same for video and audio.

use crate::support::ffmpeg::{Decoded, Kind, Seconds, Track};

/// How exact times in another base are, in ticks of the source: they are rounded, and some writers of Matroska
/// are a tick beside that.
const ROUNDING_TICKS: i64 = 2;

/// How a track of a package maps to one of the source.
#[derive(Debug)]
pub struct Fit {
    /// The index of the source's track.
    pub source: usize,
    /// The index of the package's track.
    pub package: usize,
    /// The number of the source's packets before the package's first. They are hidden.
    pub left_out: usize,
    /// The offset by which the package shows everything later.
    pub offset: Seconds,
    /// How exact its times are: to some ticks of the source, if the package has finer ticks, which its hidden
    /// frames need.
    pub tick: Seconds,
}

/// Compares packets. Tracks that are not `required`, and tracks without packets, may be missing;
/// each track of the package has to be one of the source's. If a playlist is listed twice, its
/// track occurs twice.
///
/// Packets that an edit list hides (lead-in, priming) may be left out at both ends. If present,
/// they must be hidden: their time is outside that of the shown packets, or the package hides them
/// as well.
///
/// Tracks are in sync if they are as far apart as in the source, up to a tick of the coarser one,
/// or up to `slack` where that is more.
pub fn same_packets(
    source: &[Track],
    required: impl Fn(&Track) -> bool,
    package: &[Track],
    slack: Seconds,
) -> Result<Vec<Fit>, String> {
    let mut fits: Vec<Fit> = Vec::new();
    for (place, track) in source.iter().enumerate() {
        if track.shown().next().is_none() {
            continue;
        }
        let is_free = |&other: &usize| {
            package[other].kind == track.kind && fits.iter().all(|fit| fit.package != other)
        };
        let tried = (0..package.len()).filter(is_free).map(|other| {
            let fitted = fit(track, &package[other]);
            let is_rounded = package[other].base != track.base;
            let ticks = if is_rounded { ROUNDING_TICKS } else { 0 };
            let tick = Seconds::from_ticks(ticks, track.base);
            fitted.map(|(left_out, offset)| Fit {
                source: place,
                package: other,
                left_out,
                offset,
                tick,
            })
        });
        let mut first_wrong = None;
        let found = tried.into_iter().find_map(|tried| match tried {
            Ok(fit) => Some(fit),
            Err(why) => {
                first_wrong.get_or_insert(why);
                None
            }
        });
        match found {
            Some(fit) => fits.push(fit),
            None if required(track) => {
                let why =
                    first_wrong.unwrap_or_else(|| "the source has no track of its kind".into());
                return Err(format!("{:?} track {place} ({}): {why}", track.kind, track.codec));
            }
            None => {}
        }
    }
    for (place, track) in package.iter().enumerate() {
        let again = |fit: &Fit| package[fit.package].packets == track.packets;
        let is_empty = |track: &Track| track.packets.is_empty();
        let is_kept_empty = is_empty(track) && source.iter().any(is_empty);
        if !fits.iter().any(again) && !is_kept_empty {
            let count = track.packets.len();
            return Err(format!(
                "{:?} track {place} of the package, {count} packets, is not in the source",
                track.kind
            ));
        }
    }
    // The error of rounding to ticks.
    let used = fits.iter().flat_map(|fit| [&source[fit.source], &package[fit.package]]);
    let tick = used.map(|track| Seconds::from_ticks(1, track.base)).fold(slack, Seconds::max);
    for pair in fits.windows(2) {
        let apart = (pair[0].offset - pair[1].offset).magnitude();
        if apart > tick {
            return Err(format!(
                "out of sync: {:?} track {} is {} ns late, {:?} track {} {} ns",
                source[pair[0].source].kind,
                pair[0].source,
                pair[0].offset.nanoseconds(),
                source[pair[1].source].kind,
                pair[1].source,
                pair[1].offset.nanoseconds(),
            ));
        }
    }
    Ok(fits)
}

/// The number of the source's packets that the package leaves out at the front, and the offset by
/// which it shows the others later.
fn fit(source: &Track, package: &Track) -> Result<(usize, Seconds), String> {
    let has_all_that_is_shown = |start: &usize| {
        let end = start + package.packets.len();
        let (before, after) = (&source.packets[..*start], &source.packets[end..]);
        before.iter().chain(after).all(|packet| packet.is_hidden)
    };
    let same_bytes = |start: &usize| {
        let pairs = source.packets[*start..].iter().zip(&package.packets);
        pairs.into_iter().all(|(a, b)| a.digest == b.digest)
    };
    let missing = source.packets.len().checked_sub(package.packets.len());
    let starts = missing.map_or(0..0, |missing| 0..missing + 1);
    let starts: Vec<_> = starts.filter(has_all_that_is_shown).filter(same_bytes).collect();
    // Packets of silence are all equal, so several offsets may fit; the smallest is right.
    let timed: Vec<_> = starts
        .iter()
        .map(|&start| same_times(source, package, start).map(|offset| (start, offset)))
        .collect();
    let best = timed.iter().flatten().min_by_key(|(_, offset)| offset.magnitude());
    if let Some(&best) = best {
        return Ok(best);
    }
    match timed.into_iter().next() {
        Some(wrong) => wrong,
        None => Err(different_bytes(source, package)),
    }
}

/// Reports where packets begin to differ.
fn different_bytes(source: &Track, package: &Track) -> String {
    let shown = source.shown().count();
    let (of_source, of_package) = (source.packets.len(), package.packets.len());
    let mut why =
        format!("{of_package} packets, and the source has {of_source}, {shown} of them shown");
    let first = source.packets.iter().position(|packet| !packet.is_hidden).unwrap_or(0);
    let anchor = &source.packets[first].digest;
    let Some(start) = package.packets.iter().position(|packet| packet.digest == *anchor) else {
        return why + "; the first one shown is not there";
    };
    let pairs = source.packets[first..].iter().zip(&package.packets[start..]);
    let same = pairs.take_while(|(a, b)| a.digest == b.digest).count();
    why += &format!("; from the first one shown on, {same} are the same");
    why
}

/// The offset by which the package shows everything later, if it leaves out the first `start` of
/// the source's packets.
fn same_times(source: &Track, package: &Track, start: usize) -> Result<Seconds, String> {
    let pairs = || source.packets[start..].iter().zip(&package.packets).enumerate();
    let exact = if source.base == package.base {
        Seconds::from_ticks(0, source.base)
    } else {
        Seconds::from_ticks(ROUNDING_TICKS, source.base).max(Seconds::from_ticks(1, package.base))
    };
    let mut offset = None;
    for (place, (ours, theirs)) in pairs().filter(|(_, (ours, _))| !ours.is_hidden) {
        if theirs.is_hidden {
            return Err(format!("packet {place} of the package is hidden, the source shows it"));
        }
        let later = package.shown_at(theirs) - source.shown_at(ours);
        let expected = *offset.get_or_insert(later);
        if (later - expected).magnitude() > exact {
            let (later, expected) = (later.nanoseconds(), expected.nanoseconds());
            return Err(format!(
                "packet {place} of the package is {later} ns later than the source's, those \
                 before it {expected} ns"
            ));
        }
    }
    let shown = || pairs().filter(|(_, (ours, _))| !ours.is_hidden).map(|(_, (_, theirs))| theirs);
    let from = shown().map(|packet| package.shown_at(packet)).min();
    // Where a package has finer ticks, frames that are only decoded have some of them before the end.
    let until = match source.base == package.base {
        true => shown().map(|packet| package.shown_until(packet)).max(),
        false => shown().map(|packet| package.shown_at(packet)).max(),
    };
    let (from, until) = from.zip(until).ok_or("nothing is shown")?;
    for (place, (_, theirs)) in pairs().filter(|(_, (ours, _))| ours.is_hidden) {
        let at = package.shown_at(theirs);
        if !theirs.is_hidden && at >= from && at < until {
            return Err(format!("packet {place} of the package is shown, the source hides it"));
        }
    }
    let rises = |track: &Track| track.packets.is_sorted_by(|a, b| a.dts < b.dts);
    if rises(source) && !rises(package) {
        return Err("the times of decoding do not rise".into());
    }
    Ok(offset.expect("something is shown"))
}

/// Compares the decoded frames of tracks that [`fit`](Fit). The first audio frame is left out: how
/// much of it is dropped depends on where the demuxer learns the decoder's delay.
pub fn same_frames(
    track: &Track,
    fit: &Fit,
    source: &Decoded,
    package: &Decoded,
) -> Result<(), String> {
    let is_audio = track.kind == Kind::Audio;
    let times = || source.frames.iter().map(|frame| frame.0);
    let (first, last) = times().min().zip(times().max()).ok_or("nothing is decoded")?;
    // An audio frame that begins before the first one may reach into it.
    let begins = |at: Seconds| if is_audio { at > first } else { at >= first };
    // Packets after the last are hidden in the source, or the comparison of packets would have
    // failed.
    let is_shown = |at: Seconds| begins(at) && at - fit.tick <= last;
    let ours: Vec<_> = source.frames.iter().filter(|frame| is_shown(frame.0)).collect();
    let theirs = package.frames.iter().map(|(at, digest)| (*at - fit.offset, digest));
    let theirs: Vec<_> = theirs.filter(|frame| is_shown(frame.0)).collect();
    if ours.len() != theirs.len() {
        return Err(format!("{} frames instead of {}", theirs.len(), ours.len()));
    }
    // An audio decoder has state, so its output is equal only after equal input.
    let remembers_the_same = !is_audio || fit.left_out == 0;
    for (place, (ours, theirs)) in ours.into_iter().zip(theirs).enumerate() {
        if (ours.0 - theirs.0).magnitude() > fit.tick {
            let (ours, theirs) = (ours.0.nanoseconds(), theirs.0.nanoseconds());
            return Err(format!("frame {place} is shown at {theirs} ns instead of {ours} ns"));
        }
        if remembers_the_same && ours.1 != *theirs.1 {
            return Err(format!("frame {place} differs"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::ffmpeg::Packet;

    /// A track of packets with these times; the digest is the position in decoding order.
    fn track(kind: Kind, times: &[i64], duration: i64, rate: i64) -> Track {
        let packet = |(place, &pts): (usize, &i64)| Packet {
            pts,
            dts: Some(place as i64 * duration),
            duration,
            is_key: place == 0,
            is_hidden: false,
            digest: format!("{kind:?} {place}"),
        };
        Track {
            index: 0,
            kind,
            codec: "a codec".into(),
            base: (1, rate),
            pixels: 0,
            language: None,
            rotation: None,
            packets: times.iter().enumerate().map(packet).collect(),
        }
    }

    fn movie() -> Vec<Track> {
        let audio: Vec<_> = (0..20).map(|place| (place - 1) * 1024).collect();
        let mut movie = vec![
            track(Kind::Video, &[0, 3, 1, 2, 6, 4, 5], 1, 25),
            track(Kind::Audio, &audio, 1024, 48_000),
        ];
        movie[1].packets[0].is_hidden = true;
        movie
    }

    fn compared(change: impl Fn(&mut Vec<Track>)) -> Result<Vec<Fit>, String> {
        let mut package = movie();
        change(&mut package);
        same_packets(&movie(), |_| true, &package, Seconds::from_ticks(0, (1, 1)))
    }

    fn later(track: &mut Track, ticks: i64) {
        track.packets.iter_mut().for_each(|packet| packet.pts += ticks);
    }

    #[test]
    fn a_movie_equals_itself_also_later_and_without_hidden_packets() {
        assert_eq!(compared(|_| {}).unwrap().len(), 2);
        let fits = compared(|movie| {
            later(&mut movie[0], 25);
            later(&mut movie[1], 48_000);
            movie[1].packets.remove(0);
        });
        let fits = fits.unwrap();
        assert_eq!(fits[1].left_out, 1);
        assert!(fits.iter().all(|fit| fit.offset.nanoseconds() == 1_000_000_000), "{fits:?}");
        // A playlist that is listed twice.
        compared(|movie| movie.push(movie[0].clone())).unwrap();
        // Hidden packets are present, before the time of the shown ones.
        compared(|movie| movie[1].packets[0].is_hidden = false).unwrap();
    }

    #[test]
    fn a_movie_with_any_single_change_differs() {
        type Change = fn(&mut Vec<Track>);
        let changes: &[(&str, Change)] = &[
            ("no track of its kind", |movie| drop(movie.remove(0))),
            ("6 packets", |movie| drop(movie[0].packets.remove(3))),
            ("6 packets", |movie| drop(movie[0].packets.pop())),
            ("8 packets", |movie| {
                let last = movie[0].packets.last().unwrap().clone();
                movie[0].packets.push(last);
            }),
            ("3 are the same", |movie| movie[0].packets[3].digest.push('x')),
            ("ns later", |movie| movie[0].packets[3].pts += 1),
            ("out of sync", |movie| later(&mut movie[0], 2)),
            ("out of sync", |movie| later(&mut movie[1], 1922)),
            ("the source shows it", |movie| movie[0].packets[6].is_hidden = true),
            ("the source hides it", |movie| {
                movie[1].packets[0].is_hidden = false;
                movie[1].packets[0].pts = 100;
            }),
            ("do not rise", |movie| movie[0].packets[4].dts = Some(3)),
            ("not in the source", |movie| {
                let mut other = movie[0].clone();
                other.packets.pop();
                movie.push(other);
            }),
        ];
        for (expected, change) in changes {
            let why = compared(change).expect_err(expected);
            assert!(why.contains(expected), "{why}, and not {expected}");
        }
    }

    #[test]
    fn one_tick_between_tracks_is_rounding_and_two_are_a_difference() {
        compared(|movie| later(&mut movie[1], 1920)).unwrap();
        compared(|movie| later(&mut movie[1], 1921)).expect_err("40 ms and a bit");
    }

    #[test]
    fn frames_are_compared_from_the_first_shown_one() {
        let at = |ticks| Seconds::from_ticks(ticks, (1, 25));
        let decoded = |frames: &[(i64, &str)]| Decoded {
            frames: frames.iter().map(|&(ticks, digest)| (at(ticks), digest.into())).collect(),
        };
        let fit = Fit { source: 0, package: 0, left_out: 0, offset: at(2), tick: at(0) };
        let movie = movie();
        let source = decoded(&[(0, "a"), (1, "b"), (2, "c")]);
        let compare = |place: usize, frames| {
            same_frames(&movie[place], &fit, &source, &decoded(frames)).map_err(|_| ())
        };
        assert_eq!(compare(0, &[(1, "lead-in"), (2, "a"), (3, "b"), (4, "c")]), Ok(()));
        assert_eq!(compare(0, &[(2, "a"), (3, "b"), (4, "x")]), Err(()));
        assert_eq!(compare(0, &[(2, "a"), (3, "b")]), Err(()));
        assert_eq!(compare(0, &[(2, "a"), (4, "b"), (5, "c")]), Err(()));
        assert_eq!(compare(0, &[(2, "x"), (3, "b"), (4, "c")]), Err(()));
        assert_eq!(compare(1, &[(2, "x"), (3, "b"), (4, "c")]), Ok(()));
        assert_eq!(compare(1, &[(2, "a"), (3, "x"), (4, "c")]), Err(()));
    }
}
