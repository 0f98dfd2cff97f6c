//! The file with the id of a store.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use uuid::Uuid;

/// Maximum length of an id.
const ID_BYTES_MAX: usize = 64;

/// Reads an id; `None` without a file, or if it is empty.
pub(super) fn read(file: &Path) -> io::Result<Option<String>> {
    match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(bytes) => parse(&bytes),
    }
}

/// The id in the content of a file; `None` if it is empty.
pub(super) fn parse(bytes: &[u8]) -> io::Result<Option<String>> {
    let id = String::from_utf8_lossy(bytes).trim().to_owned();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if id.len() > ID_BYTES_MAX || !id.bytes().all(is_plain) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not an id of a store"));
    }
    Ok(Some(id).filter(|id| !id.is_empty()))
}

/// Creates the file with an id, unless another process is faster; returns the id in it.
pub(super) fn create(file: &Path, id: &str) -> io::Result<String> {
    let temporary = write_temporary(file, id)?;
    // Unlike a rename, a link replaces no file. Some file systems have none.
    let created = match fs::hard_link(&temporary, file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).and_then(
                |mut file| {
                    writeln!(file, "{id}")?;
                    file.sync_all()
                },
            )
        }
        _ => Ok(()),
    };
    fs::remove_file(temporary)?;
    match read(file)? {
        Some(id) => Ok(id),
        None => created.and_then(|()| replace(file, id)).map(|()| id.to_owned()),
    }
}

/// Writes the file, in place of another.
pub(super) fn replace(file: &Path, id: &str) -> io::Result<()> {
    fs::rename(write_temporary(file, id)?, file)
}

fn write_temporary(file: &Path, id: &str) -> io::Result<PathBuf> {
    let path = file.with_extension(format!("id.{}", Uuid::now_v7()));
    let mut temporary: File =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    writeln!(temporary, "{id}")?;
    temporary.sync_all()?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_id_of_a_folder_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("store.id");
        assert_eq!(read(&file).expect("no file"), None);
        assert_eq!(create(&file, "first").expect("created"), "first");
        assert_eq!(create(&file, "second").expect("read"), "first");
        replace(&file, "third").expect("replaced");
        assert_eq!(read(&file).expect("a file").as_deref(), Some("third"));
        assert_eq!(fs::read_dir(folder.path()).expect("a list").count(), 1);
    }

    #[test]
    fn an_empty_file_gets_an_id_and_any_other_content_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("store.id");
        fs::write(&file, "\n").expect("written");
        assert_eq!(create(&file, "first").expect("created"), "first");
        fs::write(&file, "a letter to my aunt").expect("written");
        assert!(read(&file).is_err());
    }
}
