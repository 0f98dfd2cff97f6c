//! A server that refuses wrong signatures: Ceph's, where it is installed.

use crate::support::{
    bucket::SECRET_KEY,
    bucket_serving::{Film, serve_bucket, serve_bucket_with},
    client::{Client, head},
    fault_proxy::{FaultProxy, Operation},
    folder::{Folder, pattern},
    radosgw::RadosGateway,
    server::serve_with,
    streams::{Streams, fetch},
    wait::until,
};

#[test]
fn films_in_ceph_play_whatever_their_names_are() {
    let Some(server) = RadosGateway::find() else { return };
    let bucket = server.bucket("names");
    let film = Film::new(2, 2000);
    let names = [
        ("a b/z.mp4", "a%20b/z.mp4"),
        ("a b/ü+&=%?#.mp4", "a%20b/%C3%BC%2B%26%3D%25%3F%23.mp4"),
        ("a/'(1)!*~.mp4", "a/'(1)!*~.mp4"),
    ];
    names.iter().for_each(|(key, _)| server.put(&bucket, key, &film.bytes));
    server.put(&bucket, "empty.mp4", "");
    let serving = serve_bucket(&bucket, &bucket.endpoint());
    assert_eq!(serving.site().titles.library.catalog.len(), 4);
    for (_, path) in names {
        assert!(fetch(&mut serving.connect(), &format!("/media/{path}")).body == film.bytes);
        let streams = Streams::read(&serving, path);
        for segment in streams.segments() {
            fetch(&mut serving.connect(), segment);
        }
    }
    assert!(serving.get("/media/empty.mp4", &[]).body.is_empty());
    assert_eq!(serving.get("/media/nothing.mp4", &[]).status, 404);
}

#[test]
fn wrong_credentials_are_refused_by_ceph_and_shown() {
    let Some(server) = RadosGateway::find() else { return };
    let bucket = server.bucket("credentials");
    server.put(&bucket, "film.mp4", pattern(1000));
    let folder = Folder::new();
    let root = bucket.root(&folder, &bucket.endpoint());
    folder.put("credentials", "aws_access_key_id = test\naws_secret_access_key = wrong\n");
    let serving = serve_with(&[], &root);
    assert_eq!(serving.get("/media/film.mp4", &[]).status, 503);
    let refused = || String::from_utf8(serving.get("/api/status", &[]).body).expect("text");
    until("the status says so", || refused().contains("403"));
    assert!(!refused().contains(SECRET_KEY));
    let right = format!("aws_access_key_id = test\naws_secret_access_key = {SECRET_KEY}\n");
    folder.put("credentials", right);
    until("the file is read again", || serving.get("/media/film.mp4", &[]).status == 200);
}

#[test]
fn ceph_confirms_an_object_without_sending_its_fields_again() {
    let Some(server) = RadosGateway::find() else { return };
    let bucket = server.bucket("confirmed");
    server.put(&bucket, "film.mp4", pattern(1000));
    let proxy = FaultProxy::start(bucket.address);
    let serving = serve_bucket_with(&bucket, &proxy.endpoint(), "bucket_trust_s = 1\n");
    let statuses = || -> Vec<u16> {
        let passed = proxy.passed();
        let heads = passed.iter().filter(|passed| passed.operation == Operation::Head);
        heads.map(|head| head.status).filter(|status| *status > 0).collect()
    };
    until("it was confirmed twice", || {
        fetch(&mut serving.connect(), "/media/film.mp4");
        statuses().len() >= 2
    });
    assert_eq!(statuses()[..2], [304, 304]);
}

#[test]
fn a_film_that_is_replaced_in_ceph_is_sent_to_its_end_if_there_are_versions() {
    let Some(server) = RadosGateway::find() else { return };
    let (old, mut new) = (pattern(24 << 20), pattern((24 << 20) + 1));
    new.iter_mut().for_each(|byte| *byte = !*byte);
    for (name, keeps_versions) in [("unversioned", false), ("versioned", true)] {
        let bucket = server.bucket(name);
        if keeps_versions {
            server.keep_versions(&bucket);
        }
        server.put(&bucket, "film.mp4", &old);
        let configuration = "bucket_trust_s = 1\nbucket_ahead_mib = 0\n";
        let serving = serve_bucket_with(&bucket, &bucket.endpoint(), configuration);
        let mut client = Client::narrow(serving.address, 4096);
        client.send(head("GET", "/media/film.mp4", &[]));
        client.read_head().expect("a head");
        server.put(&bucket, "film.mp4", &new);
        let length = new.len().to_string();
        let found = || serving.request("HEAD", "/media/film.mp4", &[]);
        until("the new one is found", || found().field("content-length") == Some(&length));
        match client.read_exactly(old.len()) {
            Ok(bytes) => assert!(keeps_versions && bytes == old, "{name}"),
            Err(_) => assert!(!keeps_versions, "{name}"),
        }
    }
}
