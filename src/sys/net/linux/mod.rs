//! Linux: the page cache, mappings of files, and TCP socket options.

mod mapping;
mod page_cache;
mod peer;
mod socket;

pub use mapping::{Mapping, send_slices};
pub use page_cache::{is_cached, is_still_cached, populate, read_into_page_cache, sendfile};
pub use peer::unread_by_local_peer;
pub use socket::{
    abort, send, send_vectored, set_congestion_control, set_cork, set_notsent_lowat,
    set_pacing_rate, unacknowledged_bytes, unsent_bytes,
};

/// The unit of mappings and of the page cache, in bytes. All ranges are rounded outwards to it, so a value
/// smaller than the kernel's is harmless.
fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

/// A file for tests.
#[cfg(test)]
mod test_file {
    use std::{fs::File, io::Write as _, ops::Range};

    pub const LENGTH: usize = 5 << 20;

    pub fn bytes_at(range: Range<usize>) -> Vec<u8> {
        range.map(|at| u8::try_from(at / 7 % 256).expect("a byte")).collect()
    }

    pub fn file() -> File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes_at(0..LENGTH)).expect("written");
        file.sync_all().expect("on the disk");
        file
    }
}
