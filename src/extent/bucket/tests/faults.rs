//! Each way in which a bucket can misbehave: never a wrong byte, and never a wait beyond the deadline.

use super::*;
use crate::extent::disk::{BUFFER_BYTES, Buffers};

const DEADLINE: Duration = Duration::from_secs(10);

/// Fetches the whole object. Checks what arrived, and that no wait was longer than the deadline.
async fn fetch(bucket: &Arc<Bucket>) -> (Result<(), FetchError>, Arc<Fetcher>) {
    let size = bucket.size;
    let (fetcher, sink) = (bucket.fetcher(), Memory::new(size));
    let result = fetch_into(bucket, &fetcher, &sink).await;
    let is_whole = sink.chunks() == size.div_ceil(CHUNK_BYTES as usize);
    assert_eq!(result.is_ok(), is_whole);
    (result, fetcher)
}

async fn fetch_into(
    bucket: &Arc<Bucket>,
    fetcher: &Fetcher,
    sink: &Arc<Memory>,
) -> Result<(), FetchError> {
    let start = Instant::now();
    let size = bucket.size as u64;
    let first = fetcher.fetch(&bucket.opened(), 0..size, sink, Need::Awaited).await;
    assert!(start.elapsed() <= DEADLINE, "{:?}", start.elapsed());
    first?;
    fetcher.fetch_all(&bucket.opened(), 0..size, sink).await
}

/// The right response, with a change to its head.
fn changed_head(from: &'static str, to: &'static str) -> Arc<Bucket> {
    Bucket::new(MIB, move |bucket, request| {
        let range = request.range(bucket.size).expect("a range");
        let head = bucket.head(&range);
        assert!(head.contains(from), "{head}");
        let head = head.replacen(from, to, 1).into_bytes();
        vec![Step::Send(head), Step::Send(bucket.bytes(range))]
    })
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_not_the_requested_one_is_never_used() {
    for (from, to) in [
        ("206 Partial Content", "200 OK"),
        ("bytes 0-", "bytes 65536-"),
        ("-1048575/", "-1048574/"),
        ("-1048575/1048576", "-1048575/*"),
        ("Content-Range: bytes", "X-Content-Range: bytes"),
        ("Content-Length: 1048576", "Content-Length: 1048577"),
        ("ETag: \"e\"\r\n", ""),
    ] {
        let bucket = changed_head(from, to);
        let (result, fetcher) = fetch(&bucket).await;
        assert!(matches!(result, Err(FetchError::Broken(_))), "{from}: {result:?}");
        assert_eq!(bucket.received().len(), 3, "{from}");
        assert_eq!(fetcher.usage().requests(Operation::Get, Outcome::Broken), 3, "{from}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_etag_or_size_is_a_replaced_object_whatever_the_status() {
    for (from, to) in [("\"e\"", "\"f\""), ("/1048576", "/1048577")] {
        let bucket = changed_head(from, to);
        let (result, _) = fetch(&bucket).await;
        assert!(matches!(result, Err(FetchError::Changed)), "{to}: {result:?}");
        assert_eq!(bucket.received().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_served_is_an_error_that_says_why() {
    for (field, refusal) in [
        ("Content-Encoding: gzip\r\nETag", Refusal::ContentEncoding),
        ("x-amz-server-side-encryption-customer-algorithm: AES256\r\nETag", Refusal::CustomerKey),
    ] {
        let (result, _) = fetch(&changed_head("ETag", field)).await;
        assert!(matches!(&result, Err(FetchError::Refused(it)) if *it == refusal), "{result:?}");
    }
    for (code, document, expected) in [
        (403, "InvalidObjectState", Refusal::Archived),
        (400, "InvalidRequest", Refusal::CustomerKey),
        (404, "NoSuchBucket", Refusal::NoSuchBucket),
        (301, "PermanentRedirect", Refusal::OtherRegion),
    ] {
        let bucket = Bucket::new(MIB, move |_, _| {
            status(code, &format!("<Error><Code>{document}</Code></Error>"))
        });
        let (result, _) = fetch(&bucket).await;
        assert!(matches!(&result, Err(FetchError::Refused(it)) if *it == expected), "{result:?}");
        assert_eq!(bucket.received().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_cut_or_ends_early_is_resumed_where_it_stopped() {
    for ends_cleanly in [false, true] {
        let bucket = Bucket::new(MIB, move |bucket, request| {
            let range = request.range(bucket.size).expect("a range");
            let mut head = bucket.head(&range);
            if request.number > 0 {
                return bucket.right(request);
            }
            if ends_cleanly {
                // Nothing in the framing says that anything is missing.
                let length = format!("Content-Length: {}", range.len());
                head = head.replace(&length, "Connection: close");
            }
            let part = bucket.bytes(range.start..range.start + 300_000);
            vec![Step::Send(head.into_bytes()), Step::Send(part), Step::Cut]
        });
        let (result, fetcher) = fetch(&bucket).await;
        result.expect("the second request has the rest");
        let received = bucket.received();
        assert_eq!(received.len(), 2);
        assert_eq!(received[1].range(MIB), Some(300_000..MIB));
        assert_eq!(fetcher.usage().requests(Operation::Get, Outcome::Broken), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_always_cut_ends_with_an_error() {
    let bucket = Bucket::new(MIB, |bucket, request| {
        let range = request.range(bucket.size).expect("a range");
        let head = bucket.head(&range).into_bytes();
        vec![Step::Send(head), Step::Send(bucket.bytes(range.start..range.start + 1000)), Step::Cut]
    });
    let (result, _) = fetch(&bucket).await;
    assert!(matches!(result, Err(FetchError::Unavailable { .. })), "{result:?}");
    assert_eq!(bucket.received().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_body_with_more_bytes_than_promised_is_an_error() {
    let bucket = Bucket::new(MIB, |bucket, request| {
        let range = request.range(bucket.size).expect("a range");
        let length = format!("Content-Length: {}", range.len());
        let head = bucket.head(&range).replace(&length, "Connection: close").into_bytes();
        let body = Step::Send(bucket.bytes(range));
        vec![Step::Send(head), body, Step::Send(vec![0; 10]), Step::Cut]
    });
    let sink = Memory::new(MIB);
    let result = fetch_into(&bucket, &bucket.fetcher(), &sink).await;
    assert!(result.is_ok() || matches!(result, Err(FetchError::Broken(_))), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_deadline_and_in_a_body_after_five_seconds() {
    let silent = Bucket::new(MIB, |_, _| vec![Step::Wait(Duration::from_secs(3600))]);
    let start = Instant::now();
    let (result, fetcher) = fetch(&silent).await;
    assert!(matches!(result, Err(FetchError::Unavailable { .. })), "{result:?}");
    assert_eq!(start.elapsed(), DEADLINE);
    assert_eq!(silent.received().len(), 3);
    // The viewer and the flight end at the same time.
    sleep(Duration::from_millis(1)).await;
    assert_eq!(fetcher.usage().requests(Operation::Get, Outcome::Timeout), 3);

    let stops = Bucket::new(MIB, |bucket, request| match (request.number, bucket.right(request)) {
        (0, mut steps) => {
            if let Step::Send(body) = &mut steps[1] {
                body.truncate(200_000);
            }
            steps.push(Step::Wait(Duration::from_secs(3600)));
            steps
        }
        (_, steps) => steps,
    });
    let start = Instant::now();
    let (result, _) = fetch(&stops).await;
    result.expect("the second request has the rest");
    let elapsed = start.elapsed();
    assert!(elapsed.as_millis() >= 5050 && elapsed.as_millis() < 5450, "{elapsed:?}");
    assert_eq!(stops.received()[1].range(MIB), Some(200_000..MIB));
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_reported_until_the_bucket_accepts_them() {
    for (code, document) in [(403, "AccessDenied"), (401, ""), (400, "ExpiredToken")] {
        let bucket = Bucket::new(MIB, move |bucket, request| match request.number {
            0 => status(code, &format!("<Error><Code>{document}</Code></Error>")),
            _ => bucket.right(request),
        });
        let (result, fetcher) = fetch(&bucket).await;
        assert!(
            matches!(result, Err(FetchError::Credentials { status: Some(it), .. }) if it == code),
            "{result:?}"
        );
        assert_eq!(fetcher.usage().refused_status, Some(code));
        let sink = Memory::new(MIB);
        fetch_into(&bucket, &fetcher, &sink).await.expect("it accepts them now");
        assert_eq!(fetcher.usage().refused_status, None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_disappears_midway_ends_the_fetch_at_once() {
    let bucket = Bucket::new(20 * MIB, |bucket, request| match request.number {
        0 => bucket.right(request),
        _ => status(404, "<Error><Code>NoSuchKey</Code></Error>"),
    });
    let (result, fetcher) = fetch(&bucket).await;
    assert!(matches!(result, Err(FetchError::NotFound)), "{result:?}");
    assert_eq!(bucket.received().len(), 2);
    assert_eq!(fetcher.usage().requests(Operation::Get, Outcome::NotFound), 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_obeys_retry_after_within_the_deadline() {
    for (seconds, requests) in [(3, 2), (60, 1)] {
        let bucket = Bucket::new(MIB, move |bucket, request| match request.number {
            0 => {
                let head = format!(
                    "HTTP/1.1 503 no\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\n\r\n"
                );
                vec![Step::Send(head.into_bytes())]
            }
            _ => bucket.right(request),
        });
        let start = Instant::now();
        let (result, _) = fetch(&bucket).await;
        assert_eq!(bucket.received().len(), requests);
        match result {
            Ok(()) => assert_eq!(start.elapsed().as_secs(), 3),
            Err(error) => {
                assert_eq!(start.elapsed(), Duration::ZERO);
                assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn versions_are_named_unless_the_credentials_forbid_it() {
    let bucket =
        Bucket::new(MIB, |bucket, request| match request.target.contains("versionId=v1") {
            true => status(403, "<Error><Code>AccessDenied</Code></Error>"),
            false => bucket.right(request),
        });
    let (fetcher, sink) = (bucket.fetcher(), Memory::new(MIB));
    let object = Opened { version_id: Some("v1".into()), ..bucket.opened() };
    fetcher.fetch_all(&object, 0..1, &sink).await.expect("it may be read without a version");
    let sink = Memory::new(MIB);
    fetcher.fetch_all(&object, 0..1, &sink).await.expect("it may be read without a version");
    let named = |request: &Received| request.target.contains("versionId");
    assert_eq!(bucket.received().iter().map(named).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(fetcher.usage().refused_status, None);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_replaced_while_it_is_opened_is_opened_in_one_state() {
    let bucket = Bucket::new(3 * MIB, |bucket, request| {
        let range = request.range(bucket.size).expect("a range");
        // The last MiB is new at first, and then both are.
        let etag = if range.start > 0 || request.number > 1 { "\"new\"" } else { "\"old\"" };
        let head = bucket.head(&range).replace("\"e\"", etag).into_bytes();
        vec![Step::Send(head), Step::Send(bucket.bytes(range))]
    });
    let (fetcher, sink) = (bucket.fetcher(), Memory::new(3 * MIB));
    let object = fetcher.open("a.mp4", Ends::Both, move |_| sink).await.expect("it is there");
    assert_eq!(&*object.etag, "\"new\"");
    assert_eq!(bucket.received().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_cannot_store_ends_the_fetch_with_its_error() {
    struct Full;
    impl Sink for Full {
        async fn missing(&self, range: Range<u64>) -> io::Result<Vec<Range<u64>>> {
            Ok(vec![range])
        }
        async fn store(&self, _: u64, _: Bytes) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
    let bucket = Bucket::sound(MIB);
    let result = bucket.fetcher().fetch_all(&bucket.opened(), 0..1, &Arc::new(Full)).await;
    let Err(FetchError::Cache(error)) = result else { panic!("{result:?}") };
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let (fetcher, buffers) = (bucket.fetcher(), Buffers::new(BUFFER_BYTES));
    for range in [0..10, 60_000..70_000, 100_000..300_000, MIB - 5..MIB] {
        let front = range.start..range.end.min(range.start + BUFFER_BYTES);
        let (object, asked) = (bucket.opened(), range.start as u64..range.end as u64);
        let past = fetcher.read(&object, asked, &buffers);
        assert!(past.await.expect("it is there") == bucket.bytes(front), "{range:?}");
    }
    let _taken = buffers.try_take().expect("all have returned");
    let without = fetcher.read(&bucket.opened(), 0..10, &buffers).await;
    assert!(matches!(without, Err(FetchError::Cache(_))), "{without:?}");
}
