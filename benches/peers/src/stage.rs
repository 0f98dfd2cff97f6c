//! Stages: cells that the same running servers can serve, one after the other.
//!
//! Servers with other files are another launch. And a paused viewer must not reuse memory that earlier
//! viewers left in the server, so such cells start their own servers.

use crate::cell::{Cell, Files};

/// Cells with the same servers.
#[derive(Debug, PartialEq, Eq)]
pub struct Stage {
    pub files: Files,
    pub cells: Vec<Cell>,
}

/// Sorts cells into stages; both keep the order of the command line.
pub fn of(cells: &[Cell]) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for &cell in cells {
        let files = cell.files();
        let fits = |stage: &&mut Stage| {
            let starts_servers = stage.cells[0].starts_servers() || cell.starts_servers();
            stage.files == files && !starts_servers
        };
        match stages.iter_mut().find(fits) {
            Some(stage) => stage.cells.push(cell),
            None => stages.push(Stage { files, cells: vec![cell] }),
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
        let stages = of(&typed("4k hls-video 1m:own whole 64k:drain hls-video:drain beside-cold"));
        let cells: Vec<_> = stages.into_iter().map(|stage| stage.cells).collect();
        let expected =
            ["4k whole 64k:drain beside-cold", "hls-video hls-video:drain", "1m:own"].map(typed);
        assert_eq!(cells, expected);
    }

    #[test]
    fn cells_that_start_servers_have_a_stage_each() {
        assert_eq!(of(&typed("paused 4k paused@20 1m")).len(), 3);
        assert_eq!(of(&typed("storyboard rendition responsive")).len(), 3);
    }
}
