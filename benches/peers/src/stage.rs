//! Which cells the same running servers can serve, one after the other.
//!
//! A server on two cores is another launch than one on one core. So is one with a copy of the
//! files for itself, or with other files. And a paused viewer must not find memory that earlier
//! viewers left behind in the server, so such cells start servers of their own.

use crate::cell::{Cell, Files};

/// Cells that go together.
#[derive(Debug, PartialEq, Eq)]
pub struct Stage {
    pub cores: usize,
    /// What is served.
    pub files: Files,
    pub cells: Vec<Cell>,
}

/// Sorts cells into stages; both keep the order in which they were named.
pub fn of(cells: &[Cell]) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for &cell in cells {
        let (cores, files) = (cell.cores, cell.files());
        let fits = |stage: &&mut Stage| {
            stage.cores == cores
                && stage.files == files
                && !stage.cells[0].is_alone()
                && !cell.is_alone()
        };
        match stages.iter_mut().find(fits) {
            Some(stage) => stage.cells.push(cell),
            None => stages.push(Stage { cores, files, cells: vec![cell] }),
        }
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(cells: &str) -> Vec<Cell> {
        cells.split_ascii_whitespace().map(|cell| cell.parse().unwrap()).collect()
    }

    #[test]
    fn cells_with_equal_servers_share_a_stage_even_if_others_come_between() {
        let stages = of(&typed("4k 4k/2 1m:own whole 64k/2 beside-cold"));
        let cells: Vec<_> = stages.into_iter().map(|stage| stage.cells).collect();
        assert_eq!(cells, ["4k whole beside-cold", "4k/2 64k/2", "1m:own"].map(typed));
    }

    #[test]
    fn every_paused_cell_has_servers_of_its_own() {
        assert_eq!(of(&typed("paused 4k paused@20 1m")).len(), 3);
        assert_eq!(of(&typed("index-memory index-memory@16 first-byte first-byte")).len(), 4);
        assert_eq!(of(&typed("storyboard rendition responsive")).len(), 3);
    }

    #[test]
    fn titles_are_served_by_servers_of_their_own() {
        let stages = of(&typed("4k hls-video whole mpd"));
        let cells: Vec<_> = stages.into_iter().map(|stage| stage.cells).collect();
        assert_eq!(cells, ["4k whole", "hls-video mpd"].map(typed));
    }
}
