//! A pass over clusters: from one to the next by their sizes, with a look for the first key frame of each.
//! Files without `Cues` need it, and those with long holes between them.

use std::ops::Range;

use super::{
    blocks::{BlockWalk, Cluster, Step},
    clusters::Cut,
    ebml::Element,
};
use crate::extent::{ReadAt, ReadError};

/// The most work: four thousand clusters that are hopped over, which take half a minute on a slow disk and less
/// than a second on a fast one, or the blocks of a quarter of an hour. A longer file is remuxed.
pub(super) const WORK_MAX: u64 = 1 << 16;

/// The cost of a hop: a disk seeks for it.
const HOP_COST: u64 = 16;

/// What a pass found.
#[derive(Debug, Default)]
pub(super) struct Hops {
    /// The first key frame of each cluster that has one.
    pub(super) cuts: Vec<Cut>,
    /// The last clusters, at most two.
    pub(super) last: Vec<Cluster>,
    /// Elements of the segment behind clusters.
    pub(super) others: Vec<Element>,
    /// Whether it has come to the end.
    pub(super) is_complete: bool,
}

/// The most elements behind clusters that are kept.
const OTHERS_MAX: usize = 64;

/// Goes through the clusters in a part of the segment. `leading` is the number of the track whose key frames
/// count, if they do, and whether all its frames are such.
pub(super) fn pass<R: ReadAt + ?Sized>(
    source: &R,
    part: Range<u64>,
    leading: Option<(u64, bool)>,
    work: &mut u64,
) -> Result<Hops, ReadError> {
    let mut hops = Hops::default();
    let mut walk = BlockWalk::new(source, part.start, part.end, *work);
    // Of a cluster whose key frame is found the rest is skipped, if its size is known.
    let mut is_found = false;
    while let Some(step) = walk.next()? {
        match step {
            Step::Cluster(cluster) => {
                if hops.last.len() == 2 {
                    hops.last.remove(0);
                }
                hops.last.push(cluster);
                is_found = leading.is_none();
            }
            Step::Block(block) => {
                if let Some((track, all)) = leading
                    && !is_found
                    && block.track == track
                    && (all || block.is_key)
                {
                    hops.cuts.push(Cut { time: block.time, cluster: block.cluster });
                    is_found = true;
                }
            }
            Step::Other(element) => {
                if hops.others.len() < OTHERS_MAX {
                    hops.others.push(element);
                }
            }
        }
        if is_found {
            walk.skip_cluster(HOP_COST);
        }
    }
    hops.is_complete = walk.work() > 0 || walk.is_broken;
    *work = walk.work();
    Ok(hops)
}
