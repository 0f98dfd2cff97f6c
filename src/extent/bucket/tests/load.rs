//! Many viewers, and buckets that are slow or fail often: how many requests, and how long.

use futures::future::join_all;

use super::*;

const UNIT: u64 = UNIT_BYTES;

/// A number that looks random, and is the same in each run.
fn scattered(number: usize) -> usize {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    ((mixed ^ mixed >> 32) % 100) as usize
}

#[tokio::test(start_paused = true)]
async fn a_thousand_viewers_of_a_cold_unit_are_one_request_also_if_its_first_byte_takes_seven_seconds()
 {
    for (first_byte_ms, requests_max) in [(30, 1), (7_000, 3)] {
        let bucket =
            Bucket::new(MIB, move |bucket, request| after_ms(first_byte_ms, bucket.right(request)));
        let (fetcher, sink) = (bucket.fetcher(), Memory::new(MIB));
        let object = bucket.opened();
        let viewers = (0..1000).map(|_| fetcher.fetch(&object, 0..UNIT, &sink, Need::Awaited));
        for result in join_all(viewers).await {
            result.expect("it is there");
        }
        fetcher.fetch_all(&object, 0..UNIT, &sink).await.expect("it is there");
        assert_eq!(sink.chunks(), 16);
        let requests = bucket.received().len();
        println!("1,000 viewers, first byte after {first_byte_ms} ms: {requests} requests");
        assert!(requests <= requests_max, "{requests}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_opens_of_an_object_are_two_requests_and_have_one_result() {
    let bucket = Bucket::sound(4 * MIB);
    let fetcher = bucket.fetcher();
    let open = || fetcher.open("a.mp4", Ends::Both, |_| Memory::new(4 * MIB));
    for object in join_all((0..1000).map(|_| open())).await {
        assert_eq!(object.expect("it is there").size, 4 * UNIT);
    }
    assert_eq!(bucket.received().len(), 2);
    let failing = Bucket::new(MIB, |_, _| status(404, ""));
    let fetcher = failing.fetcher();
    let open = || fetcher.open("a.mp4", Ends::Both, |_| Memory::new(MIB));
    for object in join_all((0..1000).map(|_| open())).await {
        assert!(matches!(object, Err(FetchError::NotFound)));
    }
    assert_eq!(failing.received().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn more_opens_than_requests_are_allowed_do_not_wait_for_each_other() {
    let bucket = Bucket::new(4 * MIB, |bucket, request| after_ms(1000, bucket.right(request)));
    let fetcher = bucket.fetcher_with(false);
    let opens = (0..200).map(|number| {
        let fetcher = &fetcher;
        async move {
            let key = format!("{number}.mp4");
            fetcher.open(&key, Ends::Both, |_| Memory::new(4 * MIB)).await.expect("it is there")
        }
    });
    let start = Instant::now();
    assert_eq!(join_all(opens).await.len(), 200);
    assert!(start.elapsed() <= Duration::from_secs(7), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_failure_is_that_of_all_who_wait() {
    let bucket = Bucket::new(MIB, |_, _| after_ms(30, status(503, "")));
    let (fetcher, sink, object) = (bucket.fetcher(), Memory::new(MIB), bucket.opened());
    let viewers = (0..50).map(|_| fetcher.fetch(&object, 0..UNIT, &sink, Need::Awaited));
    for result in join_all(viewers).await {
        assert!(matches!(result, Err(FetchError::Unavailable { reason: Outage::Status(503), .. })));
    }
    assert_eq!(bucket.received().len(), 3);
}

/// Viewers, eight at a time, of the last chunks of units. Returns the times of those that succeeded.
async fn view(bucket: &Arc<Bucket>, fetcher: &Arc<Fetcher>, units: usize) -> Vec<Duration> {
    let sink = Memory::new(bucket.size);
    let object = bucket.opened();
    let viewers = (0..8).map(|viewer| {
        let (sink, object) = (&sink, &object);
        async move {
            let mut times = Vec::new();
            for unit in (viewer..units).step_by(8) {
                let start = Instant::now();
                let end = (unit as u64 + 1) * UNIT;
                let last = end - CHUNK_BYTES..end;
                let fetched = fetcher.fetch(object, last, sink, Need::Awaited).await;
                if fetched.is_ok() {
                    times.push(start.elapsed());
                }
            }
            times
        }
    });
    let times = join_all(viewers).await.concat();
    assert_eq!(sink.chunks(), times.len());
    times
}

/// A bucket that responds by the number of the request.
fn by_number(
    units: usize,
    respond: impl Fn(usize, Vec<Step>) -> Vec<Step> + Send + Sync + 'static,
) -> Arc<Bucket> {
    Bucket::new(units * MIB, move |bucket, request| respond(request.number, bucket.right(request)))
}

#[tokio::test(start_paused = true)]
async fn with_a_third_of_failures_few_viewers_notice_and_retries_keep_within_their_budget() {
    const UNITS: usize = 1000;
    let bucket = by_number(UNITS, |number, right| {
        after_ms(30, if scattered(number) < 30 { status(503, "") } else { right })
    });
    let fetcher = bucket.fetcher();
    let successes = view(&bucket, &fetcher, UNITS).await.len();
    let requests = bucket.received().len();
    println!("30 % of 503: {successes} of {UNITS} viewers, {requests} requests");
    assert!(successes * 100 >= UNITS * 95, "{successes}");
    assert!(requests * 10 <= UNITS * 14, "{requests}");
}

#[tokio::test(start_paused = true)]
async fn while_everything_fails_errors_come_at_once_and_hardly_a_request_is_sent() {
    let start = Instant::now();
    let outage = Duration::from_secs(12);
    let bucket = Bucket::new(MIB, move |bucket, request| match start.elapsed() < outage {
        true => status(503, ""),
        false => bucket.right(request),
    });
    let (fetcher, object) = (bucket.fetcher(), bucket.opened());
    let fetch = || async { fetcher.fetch(&object, 0..1, &Memory::new(MIB), Need::Awaited).await };
    // Until the breaker opens.
    while fetcher.breaker() == BreakerState::Closed {
        fetch().await.expect_err("everything fails");
    }
    let (opened_at, before) = (Instant::now(), bucket.received().len());
    println!("open after {:?} and {before} requests", opened_at - start);
    let mut back_after = None;
    while start.elapsed() < 3 * outage {
        let asked = Instant::now();
        match fetch().await {
            Ok(()) => {
                back_after.get_or_insert(start.elapsed() - outage);
            }
            Err(error) => {
                assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
                assert!(error.retry_after().is_some());
                assert!(back_after.is_none(), "{error}");
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
    let received = bucket.received();
    let while_open = received.iter().filter(|it| it.at >= opened_at && it.at < start + outage);
    let (while_open, seconds) = (while_open.count(), (start + outage - opened_at).as_secs_f64());
    let back_after = back_after.expect("it is back");
    println!(
        "while open: {while_open} requests in {seconds:.1} s; back {back_after:?} after the outage"
    );
    assert!(while_open as f64 <= 5.0 * seconds);
    assert!(back_after <= Duration::from_secs(23), "{back_after:?}");
}

#[tokio::test(start_paused = true)]
async fn the_first_open_after_an_outage_succeeds_and_closes_the_breaker() {
    let (start, outage) = (Instant::now(), Duration::from_secs(5));
    let bucket = Bucket::new(3 * MIB, move |bucket, request| match start.elapsed() < outage {
        true => status(503, ""),
        false => bucket.right(request),
    });
    let fetcher = bucket.fetcher();
    let open = |number: usize| {
        let fetcher = &fetcher;
        async move { fetcher.open(&format!("{number}.mp4"), Ends::Both, |_| Memory::new(3 * MIB)).await }
    };
    while fetcher.breaker() == BreakerState::Closed {
        assert!(start.elapsed() < outage, "the breaker stays closed");
        for opened in join_all((0..20).map(open)).await {
            opened.expect_err("everything fails");
        }
    }
    sleep(Duration::from_secs(35)).await;
    assert_eq!(open(0).await.expect("the bucket is back").size, 3 * UNIT);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(fetcher.breaker(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn hedges_halve_the_slowest_hundredth_for_a_twentieth_of_requests() {
    const UNITS: usize = 800;
    let mut percentiles = Vec::new();
    for hedge in [false, true] {
        let bucket = by_number(UNITS, |number, right| {
            let slow_ms = if scattered(number) < 2 { 1000 } else { 0 };
            after_ms(30 + scattered(number + 50) as u64 / 10 + slow_ms, right)
        });
        let fetcher = bucket.fetcher_with(hedge);
        let mut times = view(&bucket, &fetcher, UNITS).await;
        assert_eq!(times.len(), UNITS);
        times.sort();
        let (p99, requests) = (times[UNITS * 99 / 100], bucket.received().len());
        let usage = fetcher.usage();
        let (won, lost) = (usage.hedges_won, usage.hedges_lost);
        println!(
            "hedge {hedge}: p99 {p99:?}, {requests} requests for {UNITS}, won {won}, lost {lost}"
        );
        assert!(requests * 100 <= UNITS * 105, "{requests}");
        percentiles.push(p99);
    }
    assert!(percentiles[1] * 2 <= percentiles[0], "{percentiles:?}");
}

#[tokio::test(start_paused = true)]
async fn read_ahead_gives_way_to_a_viewer_and_goes_on_if_a_viewer_needs_it() {
    let bucket = Bucket::new(160 * MIB, |bucket, request| after_ms(1000, bucket.right(request)));
    let (fetcher, sink) = (bucket.fetcher_with(false), Memory::new(160 * MIB));
    let object = bucket.opened();
    let unit = |number: u64| number * UNIT..(number + 1) * UNIT;
    // Half of the 64 requests.
    for number in 0..40 {
        fetcher.fetch(&object, unit(number), &sink, Need::ReadAhead).await.expect("no error");
    }
    sleep(Duration::from_millis(500)).await;
    assert_eq!(bucket.received().len(), 32);
    // All others, one more, and one that waits for what is read ahead.
    let viewers = [0].into_iter().chain(50..83).map(|number| {
        let (fetcher, object, sink) = (&fetcher, &object, &sink);
        async move {
            let start = Instant::now();
            let fetched = fetcher.fetch(object, unit(number), sink, Need::Awaited).await;
            fetched.expect("it is there");
            start.elapsed().as_millis()
        }
    });
    let times = join_all(viewers).await;
    assert_eq!(times[0], 500);
    assert!(times[1..].iter().all(|time| *time == 1000), "{times:?}");
    sleep(Duration::from_secs(5)).await;
    // One unit that was read ahead, and those of the viewers.
    assert_eq!(sink.chunks(), 34 * 16);
    assert_eq!(fetcher.usage().requests(Operation::Get, Outcome::Abandoned), 31);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_nobody_waits_for_any_more_is_not_sent() {
    let bucket = Bucket::new(80 * MIB, |bucket, request| after_ms(1000, bucket.right(request)));
    let (fetcher, sink) = (bucket.fetcher_with(false), Memory::new(80 * MIB));
    let object = bucket.opened();
    let unit = |number: u64| number * UNIT..(number + 1) * UNIT;
    let viewers = (0..80).map(|number| fetcher.fetch(&object, unit(number), &sink, Need::Awaited));
    let viewers = tokio::time::timeout(Duration::from_millis(500), join_all(viewers)).await;
    assert!(viewers.is_err(), "the bucket takes longer");
    sleep(Duration::from_secs(30)).await;
    assert_eq!(bucket.received().len(), 64);
    assert_eq!(sink.chunks(), 64 * 16);
}
