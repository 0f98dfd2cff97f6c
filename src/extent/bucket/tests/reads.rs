//! Reads from a bucket without faults: requests and their number.

use super::*;

const UNIT: u64 = UNIT_BYTES;

#[tokio::test(start_paused = true)]
async fn an_open_reads_both_ends_at_once_and_every_request_names_the_etag_afterwards() {
    let size = 5 * MIB + 100;
    let bucket = Bucket::sound(size);
    let (fetcher, sink) = (bucket.fetcher(), Memory::new(size));
    let start = Instant::now();
    let for_open = Arc::clone(&sink);
    let object =
        fetcher.open("films/ä b.mp4", Ends::Both, move |_| for_open).await.expect("it is there");
    assert_eq!(start.elapsed().as_millis(), 30);
    assert_eq!((&*object.etag, object.size), ("\"e\"", size as u64));
    assert!(object.modified.is_some());

    fetcher.fetch_all(&object, 0..u64::MAX, &sink).await.expect("it is there");
    assert_eq!(sink.chunks(), size.div_ceil(CHUNK_BYTES as usize));
    let received = bucket.received();
    let field = |name| received.iter().map(move |it| it.fields.get(name).map(String::as_str));
    assert_eq!(
        field("range").flatten().collect::<Vec<_>>(),
        ["bytes=0-1048575", "bytes=-1048576", "bytes=1048576-4259839"]
    );
    assert_eq!(field("if-match").collect::<Vec<_>>(), [None, None, Some("\"e\"")]);
    assert!(received.iter().all(|it| it.target == "/films/%C3%A4%20b.mp4"));
    assert!(field("host").all(|host| host == Some("films.bucket.example")));
    let usage = fetcher.usage();
    assert_eq!(usage.requests(Operation::Get, Outcome::Ok), 3);
    // The parts that both ends of the rest are in a chunk with come twice.
    assert!(usage.bytes < size as u64 + CHUNK_BYTES, "{}", usage.bytes);
}

#[tokio::test(start_paused = true)]
async fn a_small_object_costs_one_request_and_an_empty_one_says_that_it_is_empty() {
    let cases =
        [(700, Ends::First, 1), (700, Ends::Both, 2), (0, Ends::First, 2), (0, Ends::Both, 3)];
    for (size, ends, requests) in cases {
        let bucket = Bucket::new(size, |bucket, request| match request.method.as_str() {
            "HEAD" => {
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"e\"\r\n\r\n";
                vec![Step::Send(head.as_bytes().to_vec())]
            }
            _ if bucket.size == 0 && request.fields["range"].starts_with("bytes=-") => {
                status(200, "")
            }
            _ => bucket.right(request),
        });
        let (fetcher, sink) = (bucket.fetcher(), Memory::new(size));
        let for_open = Arc::clone(&sink);
        let object = fetcher.open("a.srt", ends, move |_| for_open).await.expect("it is there");
        fetcher.fetch_all(&object, 0..u64::MAX, &sink).await.expect("it is there");
        assert_eq!(sink.chunks(), usize::from(size > 0));
        assert_eq!((object.size, bucket.received().len()), (size as u64, requests));
        let usage = fetcher.usage();
        assert_eq!(usage.requests(Operation::Get, Outcome::Broken), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_viewer_gets_the_first_chunk_without_waiting_for_the_rest() {
    let bucket = Bucket::new(2 * MIB, |bucket, request| {
        let range = request.range(bucket.size).expect("a range");
        let mut steps = vec![Step::Send(bucket.head(&range).into_bytes())];
        for piece in bucket.bytes(range).chunks(CHUNK_BYTES as usize) {
            steps.extend([Step::Wait(Duration::from_millis(100)), Step::Send(piece.to_vec())]);
        }
        steps
    });
    let (fetcher, sink) = (bucket.fetcher(), Memory::new(2 * MIB));
    let start = Instant::now();
    let at = UNIT + 3 * CHUNK_BYTES + 5;
    fetcher.fetch(&bucket.opened(), at..at + 1, &sink, Need::Awaited).await.expect("it is there");
    assert_eq!(start.elapsed().as_millis(), 100);
    assert!(sink.has(at) && !sink.has(at + CHUNK_BYTES));
    // One who comes later, for a later part, joins.
    let at = at + 4 * CHUNK_BYTES;
    fetcher.fetch(&bucket.opened(), at..at + 1, &sink, Need::Awaited).await.expect("it is there");
    assert!(sink.has(at));
    assert_eq!(bucket.received().len(), 1);
    fetcher.fetch_all(&bucket.opened(), at..at + 1, &sink).await.expect("it is there");
    assert_eq!(sink.chunks(), 13);
}

#[tokio::test(start_paused = true)]
async fn what_is_present_is_not_requested() {
    let bucket = Bucket::sound(3 * MIB);
    let (fetcher, sink) = (bucket.fetcher(), Memory::new(3 * MIB));
    let object = bucket.opened();
    fetcher.fetch_all(&object, UNIT..2 * UNIT, &sink).await.expect("it is there");
    fetcher.fetch_all(&object, 0..3 * UNIT, &sink).await.expect("it is there");
    fetcher.fetch_all(&object, 0..3 * UNIT, &sink).await.expect("it is there");
    let ranges: Vec<_> =
        bucket.received().iter().filter_map(|request| request.range(3 * MIB)).collect();
    assert_eq!(ranges, [MIB..2 * MIB, 0..MIB, 2 * MIB..3 * MIB]);
    assert_eq!(sink.chunks(), 48);
}

#[tokio::test(start_paused = true)]
async fn a_listing_is_read_page_by_page() {
    let bucket = Bucket::new(0, |_, request| {
        let (key, is_truncated) = match request.target.contains("start-after=a%2F1.mp4") {
            false => ("a/1.mp4", true),
            true => ("a/2.mp4", false),
        };
        status(
            200,
            &format!(
                "<ListBucketResult><IsTruncated>{is_truncated}</IsTruncated><Contents><Key>{key}</Key>\
             <Size>1</Size><ETag>\"e\"</ETag></Contents></ListBucketResult>"
            ),
        )
    });
    let fetcher = bucket.fetcher();
    let first = fetcher.list_page("a/", None).await.expect("a page");
    let second = fetcher.list_page("a/", first.next.as_deref()).await.expect("a page");
    assert_eq!((&*first.objects[0].key, &*second.objects[0].key), ("a/1.mp4", "a/2.mp4"));
    assert_eq!(second.next, None);
    assert_eq!(fetcher.usage().requests(Operation::List, Outcome::Ok), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again_for_a_minute() {
    let bucket = Bucket::sound(MIB);
    let connections = Arc::new(Mutex::new(0));
    let (connect, count) = (bucket.connect(), Arc::clone(&connections));
    let connect: Connect = Arc::new(move |server| {
        *count.lock().unwrap() += 1;
        connect(server)
    });
    let server = super::super::address::Server {
        is_tls: false,
        host: "bucket.example".to_owned(),
        port: 80,
    };
    let transport = super::super::transport::Transport::new(server, connect);
    for (wait_s, expected) in [(0, 1), (50, 1), (11, 2), (0, 2)] {
        sleep(Duration::from_secs(wait_s)).await;
        let request = http::Request::get("http://bucket.example/a").header("range", "bytes=0-9");
        let request = request.body(object_store::client::HttpRequestBody::empty()).unwrap();
        let (response, connection) = transport.send(request, false).await.expect("a response");
        let body = http_body_util::BodyExt::collect(response.into_body()).await.expect("a body");
        assert_eq!(body.to_bytes(), bucket.bytes(0..10));
        transport.keep(connection);
        assert_eq!(*connections.lock().unwrap(), expected);
    }
}
