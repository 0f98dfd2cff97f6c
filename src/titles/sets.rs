//! Titles that are folders: sets of renditions.
//!
//! The member with the most pixels leads. Manifests list all members; every other view of a set is that of its
//! leading member.

use std::cmp::Reverse;

use super::{Error, Titles, opened::Opened};
use crate::{
    library::{MediaPath, sidecars::is_set},
    package::title,
};

/// A set, opened.
pub struct Set {
    /// The leading member.
    pub leading: Member,
    /// The other members, largest first.
    pub others: Vec<Member>,
    /// Files that cannot be opened, and the reasons.
    pub left_out: Vec<(MediaPath, String)>,
}

/// A file of a set.
pub struct Member {
    /// Its path.
    pub path: MediaPath,
    /// The file.
    pub opened: Opened,
}

impl Member {
    /// The relative URL of its views from those of the set.
    pub fn prefix(&self) -> String {
        format!("{}/", self.path.encoded_name())
    }
}

impl Titles {
    /// Opens a folder that is a set. `None` if there is no such folder, or no playable file in it.
    pub async fn open_set(&self, folder: &MediaPath) -> Result<Option<Set>, Error> {
        let (mut members, mut left_out) = (Vec::new(), Vec::new());
        for path in self.library.renditions_in_set(folder).await? {
            match self.open(&path).await {
                Ok(opened) => members.push(Member { path, opened }),
                Err(error) => left_out.push((path, error.to_string())),
            }
        }
        members.sort_by_key(|member| Reverse(title::pixels(&member.opened.movie)));
        let mut descending = members.into_iter();
        let leading = descending.next();
        Ok(leading.map(|leading| Set { leading, others: descending.collect(), left_out }))
    }

    /// The file of a title: of a set, its leading member.
    pub async fn title_file(&self, title: MediaPath) -> Result<MediaPath, Error> {
        if !is_set(&title) {
            return Ok(title);
        }
        Ok(self.open_set(&title).await?.map_or(title, |set| set.leading.path))
    }
}
