//! The objects of a bucket by its listing: read whole, loaded from elsewhere, or changed one by one.

use std::{
    io,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use super::{BucketPlace, Known};
use crate::extent::{
    bucket::{
        FetchError, Listed, ObjectChange, Opened, Page,
        tree::{Tree, TreeBuilder, is_servable},
    },
    disk::Identity,
};

/// The longest key of S3.
const KEY_BYTES_MAX: usize = 1024;

/// The keys of a listing that are not served.
#[derive(Clone, Debug, Default)]
pub struct LeftOut {
    /// Those that are no paths of visible files.
    pub unservable: usize,
    /// The first of them.
    pub first_unservable: Option<Arc<str>>,
    /// The objects that are too many.
    pub refused: usize,
}

impl BucketPlace {
    /// The bucket's URL and the prefix, equal on all machines that reach it in the same way.
    pub fn root_url(&self) -> String {
        format!("{}/{}", self.address, self.prefix)
    }

    /// The bucket's name.
    pub fn bucket_name(&self) -> &str {
        &self.bucket
    }

    /// The most objects that are listed.
    pub fn objects_max(&self) -> usize {
        self.objects_max
    }

    /// The path below the root of a key, if a folder would serve such a file.
    pub fn relative<'k>(&self, key: &'k str) -> Option<&'k str> {
        let relative = key.strip_prefix(self.prefix.as_str())?;
        (key.len() <= KEY_BYTES_MAX && is_servable(relative)).then_some(relative)
    }

    /// A page of the listing, behind a key without the prefix. The keys of the page have none either.
    ///
    /// # Errors
    /// If the page cannot be read, or cannot be one of a listing in order.
    pub async fn list_page(&self, after: Option<&str>) -> io::Result<(Page, LeftOut)> {
        let full = after.map(|after| self.key_of(after));
        let page = self.fetcher().list_page(&self.prefix, full.as_deref()).await;
        let Page { objects, next } = page.map_err(io::Error::other)?;
        self.is_open.store(true, Ordering::Relaxed);
        let next = match next {
            None => None,
            Some(next) => {
                Some(next.strip_prefix(self.prefix.as_str()).ok_or_else(no_order)?.to_owned())
            }
        };
        if next.is_some() && next.as_deref() <= after {
            return Err(no_order());
        }
        let (mut listed, mut left_out) = (Vec::with_capacity(objects.len()), LeftOut::default());
        for object in objects {
            let etag_is_plain = !object.etag.contains(char::is_control);
            let Some(relative) = self.relative(&object.key).filter(|_| etag_is_plain) else {
                // The marker that some programs create for the folder itself.
                if *object.key != *self.prefix {
                    left_out.unservable += 1;
                    left_out.first_unservable.get_or_insert(object.key);
                }
                continue;
            };
            if after.is_some_and(|after| relative <= after)
                || next.as_deref().is_some_and(|next| relative > next)
            {
                return Err(no_order());
            }
            let key = relative.into();
            listed.push(Listed { key, ..object });
        }
        Ok((Page { objects: listed, next }, left_out))
    }

    /// Lists the bucket, and drops what is known of objects that have changed.
    ///
    /// # Errors
    /// If a page of the listing cannot be read: the former listing stays.
    pub async fn list_all(&self) -> io::Result<()> {
        let mut tree = TreeBuilder::new(self.objects_max);
        let (mut left_out, mut after) = (LeftOut::default(), None::<String>);
        loop {
            let (page, left_out_here) = self.list_page(after.as_deref()).await?;
            left_out.add(left_out_here);
            page.objects.into_iter().for_each(|listed| tree.push(listed));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        self.replace_tree(tree, left_out);
        Ok(())
    }

    /// Takes a listing that another process has read; the keys are without the prefix.
    pub fn load(&self, objects: impl IntoIterator<Item = Listed>) {
        let mut tree = TreeBuilder::new(self.objects_max);
        objects.into_iter().for_each(|listed| tree.push(listed));
        self.replace_tree(tree, LeftOut::default());
    }

    fn replace_tree(&self, tree: TreeBuilder, mut left_out: LeftOut) {
        left_out.refused = tree.refused;
        self.has_left_out.store(tree.refused > 0, Ordering::Relaxed);
        self.report(&left_out);
        let tree = Arc::new(tree.finish());
        {
            let _turn = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
            *self.tree.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&tree));
        }
        // A response that is on its way may be that of a state before the listing.
        self.forgotten.add_all();
        self.objects.retain(|key, known| {
            let relative = key.strip_prefix(self.prefix.as_str());
            known.is_as(relative.and_then(|relative| tree.get(relative)))
        });
        self.absent.clear();
    }

    /// Notes changes of objects, so that the next viewer of each gets its present bytes. Takes milliseconds.
    pub fn update(&self, changes: &[ObjectChange]) {
        // Writers take turns; readers have the tree before for so long.
        let _turn = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(tree) = self.tree() {
            let (tree, refused) = Tree::with(&tree, changes, self.objects_max);
            self.has_left_out.fetch_or(refused > 0, Ordering::Relaxed);
            self.report(&LeftOut { refused, ..LeftOut::default() });
            *self.tree.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(tree));
        }
        for ObjectChange { key, state } in changes {
            let key = self.key_of(key);
            if self.objects.get(&key).is_none_or(|known| !known.is_as(state.as_ref())) {
                self.forget_key(&key);
            }
        }
    }

    /// Whether objects were left out because there was no room, and there is room now.
    pub fn has_room_for_more(&self) -> bool {
        self.has_left_out.load(Ordering::Relaxed)
            && self.tree().is_ok_and(|tree| tree.len() < self.objects_max)
    }

    /// The present state of an object, by a request of its own. The key is without the prefix.
    ///
    /// # Errors
    /// If the bucket does not respond.
    pub async fn confirm(&self, key: &Arc<str>) -> Result<ObjectChange, FetchError> {
        let state = match self.fetcher().head(&self.key_of(key)).await {
            Ok(Opened { etag, size, modified, .. }) => {
                let key = Arc::clone(key);
                Some(Listed { key, size, etag, modified, is_archived: false })
            }
            Err(FetchError::NotFound) => None,
            Err(error) => return Err(error),
        };
        Ok(ObjectChange { key: Arc::clone(key), state })
    }

    /// The identity of an object in a state; its key is without the prefix.
    pub fn identity(&self, listed: &Listed) -> Identity {
        let Listed { key, etag, size, modified, .. } = listed;
        Identity::of_object(&self.address, &self.key_of(key), etag, *size, *modified)
    }

    /// Reports once what a listing leaves out.
    pub fn report(&self, left_out: &LeftOut) {
        let LeftOut { unservable, refused, first_unservable } = left_out;
        if (*unservable, *refused) == (0, 0) || self.has_reported.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(key) = first_unservable {
            tracing::warn!(
                bucket = self.name,
                unservable,
                ?key,
                "keys that are no paths of visible files are not served"
            );
        }
        if *refused > 0 {
            tracing::warn!(bucket = self.name, refused, "too many objects; raise max_titles");
        }
    }
}

impl Known {
    /// Whether this is the object in this state.
    fn is_as(&self, listed: Option<&Listed>) -> bool {
        listed.is_some_and(|listed| self.object.opened().is_as(listed))
    }
}

impl LeftOut {
    /// Adds what another page leaves out.
    pub fn add(&mut self, other: Self) {
        self.unservable += other.unservable;
        self.refused += other.refused;
        self.first_unservable = self.first_unservable.take().or(other.first_unservable);
    }
}

fn no_order() -> io::Error {
    io::Error::other("the bucket lists in no order")
}
