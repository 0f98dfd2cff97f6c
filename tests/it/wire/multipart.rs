//! Several parts in one response: short ones share a call; and how far apart parts may be.

use std::{
    fs::File,
    io::{Seek as _, SeekFrom, Write as _},
    ops::Range,
};

use crate::support::{
    client::Client,
    folder::Folder,
    long_file::{LENGTH, ask_for, one_file, read_and_assert_parts, scattered},
    sent_files::{Dice, NARROW, SMALL_SEND_BUFFER, served_in_each_way},
};

/// Sets of parts that are sent in different ways: together or apart, from one mapping or several.
fn sets_of_parts() -> Vec<Vec<Range<usize>>> {
    let mut dice = Dice(6);
    let mut sets = vec![
        vec![10..20, 15_000_000..15_000_030],
        vec![15_000_000..15_000_030, 10..20],
        vec![0..1, LENGTH - 1..LENGTH],
        vec![0..16_383, 20_000..36_384, 40_000..56_385, 60_000..60_001],
        vec![5..6, 1_000_000..1_300_000, 2_000_000..2_000_009, 3_000_000..9_000_000, 7..9],
        vec![5_000_000..5_000_003, 5_000_001..5_000_004, 100..200],
        (0..16).map(|number| number..number + 1).collect(),
    ];
    for within in [0..100_000, 2_000_000..5_000_000, 0..LENGTH] {
        for most in [1, 120, 5000, 40_000] {
            let mut parts = scattered(&mut dice, within.clone(), most);
            sets.push(parts.clone());
            parts.reverse();
            sets.push(parts.clone());
            for last in (1..parts.len()).rev() {
                parts.swap(last, dice.roll(last + 1));
            }
            sets.push(parts);
        }
    }
    sets
}

#[test]
fn parts_scattered_over_a_file_arrive_exactly() {
    served_in_each_way(&one_file(), "", |serving| {
        let mut client = serving.connect();
        for parts in sets_of_parts() {
            client.send(ask_for(&parts));
            read_and_assert_parts(&mut client, &parts);
        }
    });
}

#[test]
fn parts_arrive_exactly_wherever_a_call_ends() {
    served_in_each_way(&one_file(), SMALL_SEND_BUFFER, |serving| {
        // The less a client takes at a time, the shorter the calls, and the longer the test.
        for (buffer_bytes, most, ahead) in [(1, 10_000, 10), (4096, 60_000, 5), (NARROW, LENGTH, 3)]
        {
            let mut client = Client::narrow(serving.address, buffer_bytes);
            let is_short = |parts: &Vec<_>| parts.iter().map(Range::len).sum::<usize>() <= most;
            for parts in sets_of_parts().into_iter().filter(is_short) {
                // The server reads nothing of the first before the last is requested.
                client.send(ask_for(&parts).repeat(ahead));
                (0..ahead).for_each(|_| read_and_assert_parts(&mut client, &parts));
            }
        }
    });
}

/// A file of the largest possible length, which begins with `begins` and ends with `ends.`. It can
/// exist in memory only.
fn longest_file() -> Option<Folder> {
    let Ok(folder) = Folder::below("/dev/shm") else {
        eprintln!("not tested: there is no /dev/shm");
        return None;
    };
    let path = folder.put("a.mp4", "begins");
    let mut file = File::options().write(true).open(&path).expect("the file");
    let length = i64::MAX as u64;
    file.set_len(length).expect("a sparse file");
    file.seek(SeekFrom::Start(length - 5)).expect("a place");
    file.write_all(b"ends.").expect("a mark");
    Some(folder)
}

#[test]
fn the_far_end_of_the_longest_file_is_sent_on_every_request() {
    let Some(folder) = longest_file() else {
        return;
    };
    served_in_each_way(&folder, "", |serving| {
        let mut client = serving.connect();
        for _ in 0..3 {
            for (field, expected) in [
                ("Range: bytes=-5", &b"ends."[..]),
                ("Range: bytes=9223372036854775805-", b"s."),
                // Never written, and so not in memory.
                ("Range: bytes=9223372036850000000-9223372036850000009", &[0; 10]),
            ] {
                assert_eq!(
                    client.request("GET", "/media/a.mp4", &[field]).body,
                    expected,
                    "{field}"
                );
            }
            let response = client.request("GET", "/media/a.mp4", &["Range: bytes=-2000000"]);
            assert!(response.body.len() == 2_000_000 && response.body.ends_with(b"\0ends."));
        }
    });
}

#[test]
fn parts_at_both_ends_of_the_longest_file_are_sent_together() {
    let Some(folder) = longest_file() else {
        return;
    };
    served_in_each_way(&folder, "", |serving| {
        // The first two share a call in any case.
        let parts = serving.get("/media/a.mp4", &["Range: bytes=0-2,3-5,-5"]).body;
        let has = |part: &[u8]| parts.windows(part.len()).any(|bytes| bytes == part);
        assert!(has(b"\r\n\r\nbeg\r\n") && has(b"\r\n\r\nins\r\n") && has(b"\r\n\r\nends.\r\n"));
    });
}
