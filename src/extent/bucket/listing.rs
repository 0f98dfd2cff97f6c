//! Pages of a bucket's listing.

use std::{sync::Arc, time::SystemTime};

use quick_xml::{Reader, events::Event};

use super::{client::quoted, error::AttemptError};

/// The keys of a page.
pub(super) const PAGE_KEYS_MAX: usize = 1000;

/// The bytes of a page: a key has at most 1,024, each as an entity of six at worst.
pub(super) const PAGE_BYTES_MAX: usize = 8 << 20;

/// An object of a listing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// Its key.
    pub key: Arc<str>,
    /// Its length in bytes.
    pub size: u64,
    /// Its ETag, with quotes.
    pub etag: Arc<str>,
    /// Its Last-Modified.
    pub modified: Option<SystemTime>,
    /// Whether it is in an archive, from which it cannot be read.
    pub is_archived: bool,
}

/// The present state of an object, which may be gone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ObjectChange {
    /// Its key, without the prefix of the root.
    pub key: Arc<str>,
    /// Its state, with the same key; `None` if it is gone.
    pub state: Option<Listed>,
}

/// A page of a listing, in the order of keys.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// The objects.
    pub objects: Vec<Listed>,
    /// The key behind which the next page begins; `None` on the last page.
    pub next: Option<String>,
}

/// The fields of `<Contents>` as text.
#[derive(Default)]
struct Fields {
    key: String,
    size: String,
    etag: String,
    modified: String,
    storage_class: String,
}

impl Fields {
    fn listed(self) -> Option<Listed> {
        Some(Listed {
            etag: quoted(self.etag.trim()),
            size: self.size.trim().parse().ok()?,
            key: (!self.key.is_empty()).then_some(self.key)?.into(),
            modified: humantime::parse_rfc3339(self.modified.trim()).ok(),
            is_archived: matches!(self.storage_class.trim(), "GLACIER" | "DEEP_ARCHIVE"),
        })
    }
}

/// Reads a page; an error says what is wrong with the document.
pub(super) fn parse(document: &[u8]) -> Result<Page, AttemptError> {
    parse_page(document).ok_or(AttemptError::Wrong("a listing that is no ListBucketResult"))
}

fn parse_page(document: &[u8]) -> Option<Page> {
    let mut reader = Reader::from_reader(document);
    let (mut page, mut object) = (Page::default(), None::<Fields>);
    let (mut path, mut is_truncated) = (Vec::<Vec<u8>>::new(), String::new());
    let mut is_whole = false;
    loop {
        let event = reader.read_event().ok()?;
        let names: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
        let field = match (names.as_slice(), &mut object) {
            ([b"ListBucketResult", b"IsTruncated"], _) => Some(&mut is_truncated),
            ([b"ListBucketResult", b"Contents", name], Some(object)) => match *name {
                b"Key" => Some(&mut object.key),
                b"Size" => Some(&mut object.size),
                b"ETag" => Some(&mut object.etag),
                b"LastModified" => Some(&mut object.modified),
                b"StorageClass" => Some(&mut object.storage_class),
                _ => None,
            },
            _ => None,
        };
        match event {
            Event::Start(tag) => {
                path.push(tag.local_name().as_ref().to_vec());
                if path.len() == 2 && path[1] == b"Contents" {
                    object = Some(Fields::default());
                }
            }
            Event::End(_) => {
                if names.as_slice() == [b"ListBucketResult".as_slice(), b"Contents"] {
                    page.objects.push(object.take()?.listed()?);
                }
                is_whole = names.as_slice() == [b"ListBucketResult".as_slice()];
                path.pop();
            }
            Event::Text(text) => {
                if let Some(field) = field {
                    field.push_str(&text.decode().ok()?);
                }
            }
            Event::CData(text) => {
                if let Some(field) = field {
                    field.push_str(&text.decode().ok()?);
                }
            }
            Event::GeneralRef(entity) => {
                if let Some(field) = field {
                    match entity.resolve_char_ref().ok()? {
                        Some(character) => field.push(character),
                        None => field.push(match &*entity.decode().ok()? {
                            "amp" => '&',
                            "lt" => '<',
                            "gt" => '>',
                            "quot" => '"',
                            "apos" => '\'',
                            _ => return None,
                        }),
                    }
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if is_truncated.trim() == "true" {
        // A page without objects that says that there are more would never end.
        page.next = Some(page.objects.last()?.key.to_string());
    }
    is_whole.then_some(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_lists_objects_and_says_where_the_next_begins() {
        let page = parse(
            br#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>films</Name>
<IsTruncated>true</IsTruncated><KeyCount>2</KeyCount>
<Contents><Key>a &amp; b/&#252;&#x1;.mp4</Key><LastModified>2026-11-30T18:53:49.000Z</LastModified>
<ETag>&quot;9b2cf5&quot;</ETag><Size>12345678901</Size><StorageClass>STANDARD</StorageClass>
<Owner><ID>1</ID></Owner></Contents>
<Contents><Key>old.mp4</Key><ETag>e</ETag><Size>0</Size><StorageClass>GLACIER</StorageClass></Contents>
</ListBucketResult>"#,
        )
        .expect("it is valid");
        assert_eq!(page.next.as_deref(), Some("old.mp4"));
        let [first, second] = page.objects.as_slice() else { panic!("{page:?}") };
        assert_eq!(&*first.key, "a & b/\u{fc}\u{1}.mp4");
        assert_eq!((first.size, &*first.etag), (12_345_678_901, "\"9b2cf5\""));
        assert!(first.modified.is_some() && !first.is_archived);
        assert_eq!(&*second.etag, "\"e\"");
        assert!(second.is_archived && second.modified.is_none());
    }

    #[test]
    fn what_is_no_page_is_an_error_and_no_empty_page() {
        for document in [
            "",
            "<html></html>",
            "<ListBucketResult>",
            "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
            "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            "<ListBucketResult><Contents></ListBucketResult>",
        ] {
            assert!(parse(document.as_bytes()).is_err(), "{document}");
        }
        let empty = parse(b"<ListBucketResult></ListBucketResult>").expect("it is valid");
        assert_eq!(empty, Page::default());
    }
}
