//! Which paths name a file: nothing outside a root, nothing hidden, only regular files.

use std::{
    ffi::OsStr,
    fs,
    io::ErrorKind,
    os::unix::{ffi::OsStrExt as _, fs::symlink, net::UnixListener},
    path::Path,
};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::support::{
    client::Response,
    folder::{Folder, pattern},
    server::{Serving, serve, serve_with},
};

/// Content that must never be sent.
const SECRET: &[u8] = b"this file is outside every root";

/// A root, and a secret beside it.
fn root_and_secret() -> (Folder, Serving) {
    let folder = Folder::new();
    folder.put("secret.mp4", SECRET);
    folder.put("beside/secret.mp4", SECRET);
    folder.put("root/a.mp4", pattern(100));
    folder.put("root/folder/b.mp4", pattern(200));
    folder.put("root/.hidden.mp4", SECRET);
    folder.put("root/.git/c.mp4", SECRET);
    let serving = serve_with(&[folder.path("root")], "");
    (folder, serving)
}

/// Checks that a client cannot tell two responses apart, but for the date and the request's id.
fn look_alike(a: &Response, b: &Response) -> bool {
    let fields = |response: &Response| -> Vec<_> {
        let is_compared = |name: &str| !matches!(name, "date" | "x-request-id");
        let fields = response.fields.iter().filter(|field| is_compared(&field.0));
        let mut fields: Vec<_> = fields.cloned().collect();
        fields.sort();
        fields
    };
    (a.status, fields(a), &a.body) == (b.status, fields(b), &b.body)
}

fn is_not_there(serving: &Serving, path: &str) {
    let missing = serving.get("/media/none.mp4", &[]);
    assert_eq!(missing.status, 404);
    let response = serving.get(&format!("/media/{path}"), &[]);
    assert!(look_alike(&response, &missing), "{path}: {response:?}");
    let api = serving.get(&format!("/api/titles/{path}"), &[]);
    assert_eq!(api.status, 404, "/api/titles/{path}");
}

/// Spellings of paths that name nothing.
#[rustfmt::skip] // as many as fit into a line
const SPELLINGS: &[&str] = &[
    "../secret.mp4", "folder/../../secret.mp4", "../root/a.mp4", "folder/../a.mp4",
    "%2e%2e/secret.mp4", "%2E%2E/secret.mp4", ".%2e/secret.mp4", "..%2fsecret.mp4",
    "..%2Fsecret.mp4", "%2e%2e%2fsecret.mp4", "%252e%252e%252fsecret.mp4",
    "%25252e%25252e/secret.mp4", "%c0%ae%c0%ae/secret.mp4", "..%c0%afsecret.mp4",
    "%e0%80%ae%e0%80%ae/secret.mp4", "..;/secret.mp4", "..%3b/secret.mp4", "..%5csecret.mp4",
    "%5c..%5csecret.mp4", "folder%5c..%5c..%5csecret.mp4", "..%00/secret.mp4",
    "../secret.mp4%00.mp4", "a.mp4%00", "%00", "/etc/passwd", "//etc/passwd", "%2fetc%2fpasswd",
    "file:///etc/passwd", "./a.mp4", "folder/./b.mp4", "folder//b.mp4", "/a.mp4", "a.mp4/",
    "a.mp4/.", "a.mp4/..", "a.mp4/b.mp4", ".hidden.mp4", "%2ehidden.mp4", ".git/c.mp4",
    "%2egit/c.mp4", "folder", "folder/", "", "%", "a.mp4%", "a.mp4%2", "%zz",
    "%u002e%u002e/secret.mp4",
];

#[test]
fn no_spelling_leaves_the_root() {
    let (_folder, serving) = root_and_secret();
    for path in SPELLINGS {
        is_not_there(&serving, path);
    }
    // Not normalized on the way in either: these are no paths of ours.
    for target in ["//media/a.mp4", "/./media/a.mp4", "/x/../media/a.mp4", "/media", "/MEDIA/a.mp4"]
    {
        assert_eq!(serving.get(target, &[]).status, 404, "{target}");
    }
}

#[test]
fn bytes_that_no_target_may_have_are_400_or_404() {
    let (_folder, serving) = root_and_secret();
    for path in
        ["..\\secret.mp4", "\\..\\secret.mp4", "a.mp4\0", "../secret.mp4\0", "\u{7f}", "a.mp4\t"]
    {
        let response = serving.get(&format!("/media/{path}"), &[]);
        assert!(matches!(response.status, 400 | 404), "{path:?}: {response:?}");
    }
}

#[test]
fn a_target_in_absolute_form_names_its_path() {
    let (_folder, serving) = root_and_secret();
    let response = serving.get("http://test/media/a.mp4", &[]);
    assert_eq!((response.status, response.body), (200, pattern(100)));
    let out = serving.get("http://test/media/../secret.mp4", &[]);
    assert_eq!(out.status, 404);
}

#[test]
fn symbolic_links_lead_to_files_inside_the_root_only() {
    let (folder, serving) = root_and_secret();
    let link = |name: &str, to: &Path| symlink(to, folder.path("root").join(name)).unwrap();
    link("inside.mp4", Path::new("folder/b.mp4"));
    link("folder/up.mp4", Path::new("../a.mp4"));
    link("around.mp4", Path::new("folder/../a.mp4"));
    link("chain.mp4", Path::new("inside.mp4"));
    link("linked", Path::new("folder"));
    link("out.mp4", Path::new("../secret.mp4"));
    link("out_and_in.mp4", Path::new("../root/a.mp4"));
    link("absolute.mp4", &folder.path("secret.mp4"));
    link("absolute_inside.mp4", &folder.path("root/a.mp4"));
    link("beside", Path::new("../beside"));
    link("absolute_beside", &folder.path("beside"));
    link("absolute_folder", &folder.path("root/folder"));
    link("to_out.mp4", Path::new("out.mp4"));
    link("loop.mp4", Path::new("loop.mp4"));
    link("dangling.mp4", Path::new("gone.mp4"));
    link("to_folder.mp4", Path::new("folder"));
    link("to_root.mp4", Path::new("."));
    for (path, length) in [
        ("inside.mp4", 200),
        ("folder/up.mp4", 100),
        ("around.mp4", 100),
        ("chain.mp4", 200),
        ("linked/b.mp4", 200),
    ] {
        let response = serving.get(&format!("/media/{path}"), &[]);
        assert_eq!((response.status, response.body), (200, pattern(length)), "{path}");
    }
    for path in [
        "out.mp4",
        "out_and_in.mp4",
        "absolute.mp4",
        "absolute_inside.mp4",
        "beside/secret.mp4",
        "absolute_beside/secret.mp4",
        "absolute_folder/b.mp4",
        "to_out.mp4",
        "loop.mp4",
        "dangling.mp4",
        "to_folder.mp4",
        "to_root.mp4",
        "linked/../a.mp4",
    ] {
        is_not_there(&serving, path);
    }
}

#[test]
fn a_link_with_a_visible_name_does_not_show_a_hidden_file() {
    let (folder, serving) = root_and_secret();
    let link = |name: &str, to: &str| symlink(to, folder.path("root").join(name)).unwrap();
    link("visible.mp4", ".git/c.mp4");
    link("hidden.mp4", ".hidden.mp4");
    link("folder/up.mp4", "../.git/c.mp4");
    link("git", ".git");
    link("in_turn.mp4", "folder/up.mp4");
    for path in ["visible.mp4", "hidden.mp4", "folder/up.mp4", "git/c.mp4", "in_turn.mp4"] {
        is_not_there(&serving, path);
    }
}

#[test]
fn only_regular_files_are_served() {
    let (folder, serving) = root_and_secret();
    let make = |name: &str, kind, device| {
        mknodat(CWD, folder.path("root").join(name), kind, Mode::RWXU, device)
    };
    // A plain open of a FIFO without a writer would block the request.
    make("fifo.mp4", FileType::Fifo, 0).expect("a FIFO");
    is_not_there(&serving, "fifo.mp4");
    symlink("fifo.mp4", folder.path("root/to_fifo.mp4")).unwrap();
    is_not_there(&serving, "to_fifo.mp4");
    let _listening = UnixListener::bind(folder.path("root/socket.mp4")).unwrap();
    is_not_there(&serving, "socket.mp4");
    fs::create_dir(folder.path("root/directory.mp4")).unwrap();
    is_not_there(&serving, "directory.mp4");
    // The device of endless zeros; only root may create one, so elsewhere there is nothing to test.
    match make("zero.mp4", FileType::CharacterDevice, makedev(1, 5)) {
        Ok(()) => is_not_there(&serving, "zero.mp4"),
        Err(error) => assert_eq!(std::io::Error::from(error).kind(), ErrorKind::PermissionDenied),
    }
}

#[test]
fn names_are_byte_strings() {
    let folder = Folder::new();
    let names: [(&[u8], &str); 6] = [
        (b"caf\xe9.mp4", "caf%E9.mp4"),
        ("Été 映画.mp4".as_bytes(), "%C3%89t%C3%A9%20%E6%98%A0%E7%94%BB.mp4"),
        (b"100%.mp4", "100%25.mp4"),
        (b"%2e%2e.mp4", "%252e%252e.mp4"),
        (b"a?b#c&d+e\"<f>.mp4", "a%3Fb%23c%26d%2Be%22%3Cf%3E.mp4"),
        (b"line\nfeed\x7f.mp4", "line%0Afeed%7F.mp4"),
    ];
    for (index, (name, _)) in names.iter().enumerate() {
        folder.put(OsStr::from_bytes(name), pattern(index + 1));
    }
    let serving = serve(&folder);
    for (index, (_, encoded)) in names.iter().enumerate() {
        let response = serving.get(&format!("/media/{encoded}"), &[]);
        assert_eq!((response.status, response.body.len()), (200, index + 1), "{encoded}");
        let json = serving.get(&format!("/api/titles/{encoded}"), &[]);
        let title: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
        assert_eq!(title["href"], format!("/media/{encoded}"));
    }
    // Characters that a target may hold unencoded need no encoding, and hex digits may be lower
    // case.
    assert_eq!(serving.get("/media/a%3fb%23c&d+e%22%3cf%3e.mp4", &[]).status, 200);
}

#[test]
fn a_name_is_at_most_as_long_as_file_systems_allow() {
    let folder = Folder::new();
    let longest = format!("{}.mp4", "x".repeat(251));
    folder.put(&longest, "x");
    let serving = serve(&folder);
    assert_eq!(serving.get(&format!("/media/{longest}"), &[]).status, 200);
    is_not_there(&serving, &format!("x{longest}"));
    is_not_there(&serving, &format!("{longest}/a.mp4"));
    is_not_there(&serving, &format!("{}a.mp4", "x/".repeat(2045)));
    is_not_there(&serving, &format!("{}a.mp4", "x/".repeat(2046)));
}

#[test]
fn several_roots_have_names_and_no_path_leads_from_one_to_another() {
    let folder = Folder::new();
    folder.put("secret.mp4", SECRET);
    folder.put("one/a.mp4", pattern(10));
    folder.put("two/a.mp4", pattern(20));
    symlink("../two/a.mp4", folder.path("one/other.mp4")).unwrap();
    let named = folder.path("two");
    let named =
        Path::new("films").as_os_str().to_str().unwrap().to_owned() + "=" + named.to_str().unwrap();
    let serving = serve_with(&[folder.path("one"), named.into()], "");
    assert_eq!(serving.get("/media/one/a.mp4", &[]).body, pattern(10));
    assert_eq!(serving.get("/media/films/a.mp4", &[]).body, pattern(20));
    assert_eq!(serving.get("/media/%6fne/a.mp4", &[]).body, pattern(10));
    for path in [
        "a.mp4",
        "two/a.mp4",
        "One/a.mp4",
        "one",
        "one/",
        "one//a.mp4",
        "one/../films/a.mp4",
        "one/../secret.mp4",
        "one/other.mp4",
        "films/..%2fsecret.mp4",
    ] {
        is_not_there(&serving, path);
    }
}
