//! Decoding times of video. Matroska has presentation times only.
//!
//! The frames of a segment are decoded at the times at which frames are presented, in order: the first at the
//! earliest. Segments then join without overlap, open groups of pictures, too. What a frame is presented
//! before its decoding is made up for by one delay of the whole track, the raise.

/// The decoding times of frames that are presented at these times, in the order of the file.
///
/// No frame is presented more than `raise` before it is decoded, and none is decoded after `next`, when the
/// first frame of the next segment is.
pub(super) fn decoding_times(presented: &[i64], raise: i64, next: Option<i64>) -> Vec<i64> {
    let mut times = presented.to_vec();
    times.sort_unstable();
    let mut latest = next.unwrap_or(i64::MAX);
    for (time, presented) in times.iter_mut().zip(presented).rev() {
        *time = (*time).min(presented.saturating_add(raise)).min(latest);
        latest = *time;
    }
    times
}

/// The raise that these frames need: how long before its decoding a frame is presented.
pub(super) fn needed_raise(presented: &[i64]) -> i64 {
    let times = decoding_times(presented, i64::MAX, None);
    let early =
        times.iter().zip(presented).map(|(time, presented)| time.saturating_sub(*presented));
    early.max().unwrap_or(0).max(0)
}

/// The most frequent distance between frames that follow each other on the screen.
pub(super) fn usual_distance(presented: &[i64]) -> Option<i64> {
    let mut times = presented.to_vec();
    times.sort_unstable();
    let mut distances: Vec<i64> =
        times.windows(2).map(|two| two[1].saturating_sub(two[0])).collect();
    distances.retain(|distance| *distance > 0);
    distances.sort_unstable();
    distances.get(distances.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compositions: none may be below the negative raise.
    fn compositions(presented: &[i64], raise: i64, next: Option<i64>) -> Vec<i64> {
        let times = decoding_times(presented, raise, next);
        assert!(times.is_sorted(), "{times:?}");
        assert!(next.is_none_or(|next| times.iter().all(|time| *time <= next)), "{times:?}");
        times.iter().zip(presented).map(|(time, presented)| presented - time).collect()
    }

    #[test]
    fn frames_are_decoded_at_the_times_of_presentation() {
        // I P B B P B B.
        let frames = [0, 120, 40, 80, 240, 160, 200];
        assert_eq!(decoding_times(&frames, 80, None), [0, 40, 80, 120, 160, 200, 240]);
        assert_eq!(compositions(&frames, 80, None), [0, 80, -40, -40, 80, -40, -40]);
        assert_eq!(needed_raise(&frames), 40);
        assert_eq!(usual_distance(&frames), Some(40));
    }

    #[test]
    fn leading_frames_come_before_the_key_frame() {
        // An open group: I at 80, and two frames before it.
        let frames = [80, 0, 40, 200, 120, 160];
        assert_eq!(decoding_times(&frames, 40, None), [0, 40, 80, 120, 160, 200]);
        assert_eq!(needed_raise(&frames), 40);
    }

    #[test]
    fn no_frame_is_more_than_the_raise_late() {
        let frames = [0, 160, 80, 40, 120];
        assert_eq!(needed_raise(&frames), 80);
        let least = compositions(&frames, 50, Some(200)).into_iter().min();
        assert_eq!(least, Some(-50));
        assert_eq!(decoding_times(&[0, 40, 80], 0, Some(60)), [0, 40, 60]);
        assert_eq!((needed_raise(&[]), usual_distance(&[7])), (0, None));
    }
}
