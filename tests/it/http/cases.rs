//! The rules of HTTP as a table: a request, its file, and the expected response.
//!
//! A row names only the outcome. [`responses`](crate::http::responses) derives every field and byte
//! of the response from it, and runs the table in several ways.

use Expected::{Failed, NotModified, Part, Parts, Unsatisfiable, Whole};

/// A file of the table.
#[derive(Debug)]
pub struct TestFile {
    pub name: &'static str,
    pub length: u64,
    /// The validator of this length and [`MODIFIED_S`]. Published once, so it never changes.
    pub tag: &'static str,
}

/// The modification time of all files of the table: in seconds since 1970, and as an HTTP date.
pub const MODIFIED_S: u64 = 1_000_000_000;
pub const MODIFIED: &str = "Sun, 09 Sep 2001 01:46:40 GMT";

pub const MOVIE: TestFile = TestFile { name: "movie.mp4", length: 1000, tag: "a90cb6eedeb86e85" };
pub const ONE: TestFile = TestFile { name: "one.mp4", length: 1, tag: "b4069c977b2293b8" };
pub const EMPTY: TestFile = TestFile { name: "empty.mp4", length: 0, tag: "dbf8aaea4bbd2080" };
/// 8 GiB and 1000 bytes: more than 32 bits hold. A sparse file.
pub const LARGE: TestFile =
    TestFile { name: "large.mp4", length: (8 << 30) + 1000, tag: "63722b08c679f23d" };
/// The largest possible content. Few file systems hold such a file, so it exists in memory only.
pub const HUGE: TestFile =
    TestFile { name: "huge.mp4", length: i64::MAX as u64, tag: "ffffffffffffffff" };

/// The expected response.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// 200 with the whole content.
    Whole,
    /// 206 with one part: its first and last byte, both inclusive.
    Part(u64, u64),
    /// 206 with several parts.
    Parts(&'static [(u64, u64)]),
    /// 416.
    Unsatisfiable,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// A row of the table.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub test_file: &'static TestFile,
    pub method: &'static str,
    pub fields: Vec<String>,
    pub expected: Expected,
}

/// GET with a Range field: its value, the file, the response.
#[rustfmt::skip] // one row per line
const RANGES: &[(&str, &TestFile, &str, Expected)] = &[
    ("Safari's first request", &MOVIE, "bytes=0-1", Part(0, 1)),
    ("Chrome's first request is never 200", &MOVIE, "bytes=0-", Part(0, 999)),
    ("the first byte", &MOVIE, "bytes=0-0", Part(0, 0)),
    ("the last byte", &MOVIE, "bytes=999-999", Part(999, 999)),
    ("an open end", &MOVIE, "bytes=990-", Part(990, 999)),
    ("both ends", &MOVIE, "bytes=100-199", Part(100, 199)),
    ("all by its ends", &MOVIE, "bytes=0-999", Part(0, 999)),
    ("an end past the end is clamped", &MOVIE, "bytes=990-2000", Part(990, 999)),
    ("a suffix", &MOVIE, "bytes=-10", Part(990, 999)),
    ("a suffix of one", &MOVIE, "bytes=-1", Part(999, 999)),
    ("a suffix as long as the body", &MOVIE, "bytes=-1000", Part(0, 999)),
    ("a suffix longer than the body", &MOVIE, "bytes=-1001", Part(0, 999)),
    ("leading zeros", &MOVIE, "bytes=007-0000000000000000000000000008", Part(7, 8)),
    ("the unit in capitals", &MOVIE, "BYTES=1-2", Part(1, 2)),
    ("the only byte", &ONE, "bytes=0-0", Part(0, 0)),
    ("a suffix of the only byte", &ONE, "bytes=-5", Part(0, 0)),

    ("a last position of u64::MAX", &MOVIE, "bytes=5-18446744073709551615", Part(5, 999)),
    ("a last position past u64", &MOVIE, "bytes=5-18446744073709551616", Part(5, 999)),
    ("a last position of 25 digits", &MOVIE, "bytes=5-9999999999999999999999999", Part(5, 999)),
    ("a suffix of 25 digits", &MOVIE, "bytes=-9999999999999999999999999", Part(0, 999)),
    ("a first position of u64::MAX", &MOVIE, "bytes=18446744073709551615-", Unsatisfiable),
    ("a first position of 25 digits", &MOVIE, "bytes=9999999999999999999999999-", Unsatisfiable),
    ("past 32 bits", &LARGE, "bytes=4294967295-4294967296", Part(4_294_967_295, 4_294_967_296)),
    ("past 33 bits", &LARGE, "bytes=8589935591-", Part(8_589_935_591, 8_589_935_591)),
    ("a suffix of a large body", &LARGE, "bytes=-1000", Part(8_589_934_592, 8_589_935_591)),
    ("at the end of a large body", &LARGE, "bytes=8589935592-", Unsatisfiable),
    ("the ends of a large body", &LARGE, "bytes=0-1,-2", Parts(&[(0, 1), (8_589_935_590, 8_589_935_591)])),
    ("the last byte there can be", &HUGE, "bytes=9223372036854775806-", Part(9_223_372_036_854_775_806, 9_223_372_036_854_775_806)),
    ("a suffix of the longest body", &HUGE, "bytes=-2", Part(9_223_372_036_854_775_805, 9_223_372_036_854_775_806)),
    ("past the longest body", &HUGE, "bytes=9223372036854775807-", Unsatisfiable),
    ("parts and their heads longer than a body can be", &HUGE, "bytes=0-4611686018427387903,4611686018427387904-", Whole),

    ("a start at the end", &MOVIE, "bytes=1000-", Unsatisfiable),
    ("a start past the end", &MOVIE, "bytes=5000-6000", Unsatisfiable),
    ("a suffix of nothing", &MOVIE, "bytes=-0", Unsatisfiable),
    ("the first byte of an empty body", &EMPTY, "bytes=0-0", Unsatisfiable),
    ("all of an empty body", &EMPTY, "bytes=0-", Unsatisfiable),
    ("a suffix of an empty body", &EMPTY, "bytes=-1", Unsatisfiable),
    ("no range of an empty body", &EMPTY, "items=0-", Whole),
    ("several past the end", &MOVIE, "bytes=1000-,2000-3000,-0", Unsatisfiable),

    ("an empty field", &MOVIE, "", Whole),
    ("no equals sign", &MOVIE, "bytes", Whole),
    ("no member", &MOVIE, "bytes=", Whole),
    ("empty members only", &MOVIE, "bytes=,,", Whole),
    ("no number", &MOVIE, "bytes=-", Whole),
    ("two dashes", &MOVIE, "bytes=--1", Whole),
    ("a single number", &MOVIE, "bytes=5", Whole),
    ("letters", &MOVIE, "bytes=a-b", Whole),
    ("a sign", &MOVIE, "bytes=+1-2", Whole),
    ("hexadecimal", &MOVIE, "bytes=0x1-0x2", Whole),
    ("a reversed range", &MOVIE, "bytes=5-2", Whole),
    ("an unknown unit", &MOVIE, "items=0-5", Whole),
    ("no unit", &MOVIE, "=0-5", Whole),
    ("white space before the equals sign", &MOVIE, "bytes =0-5", Whole),
    ("white space after the equals sign", &MOVIE, "bytes= 0-5", Whole),
    ("white space in a range", &MOVIE, "bytes=0 - 5", Whole),
    ("a semicolon", &MOVIE, "bytes=0-1;5-9", Whole),
    ("one member of several is no range", &MOVIE, "bytes=0-1,x", Whole),
    ("one member of several is reversed", &MOVIE, "bytes=0-1,5-2", Whole),

    ("two parts", &MOVIE, "bytes=0-0,100-199", Parts(&[(0, 0), (100, 199)])),
    ("the order of the request", &MOVIE, "bytes=100-199,0-0", Parts(&[(100, 199), (0, 0)])),
    ("parts that touch", &MOVIE, "bytes=0-9,10-19", Parts(&[(0, 9), (10, 19)])),
    ("parts that make up the whole", &MOVIE, "bytes=0-499,500-999", Parts(&[(0, 499), (500, 999)])),
    ("white space around commas", &MOVIE, "bytes=0-0 ,\t5-5", Parts(&[(0, 0), (5, 5)])),
    ("empty members are nothing", &MOVIE, "bytes=,0-0,,5-5,", Parts(&[(0, 0), (5, 5)])),
    ("every kind of member", &MOVIE, "bytes=0-1,998-,-3", Parts(&[(0, 1), (998, 999), (997, 999)])),
    ("two that overlap", &MOVIE, "bytes=0-9,5-14", Parts(&[(0, 9), (5, 14)])),
    ("a part past the end is dropped", &MOVIE, "bytes=0-0,2000-,5-5", Parts(&[(0, 0), (5, 5)])),
    ("one survivor is a plain part", &MOVIE, "bytes=2000-,0-0,-0", Part(0, 0)),
    ("three that overlap", &MOVIE, "bytes=0-9,5-14,9-20", Whole),
    ("twice two that overlap", &MOVIE, "bytes=0-9,0-9,500-509,500-509", Whole),
    ("longer than the whole together", &MOVIE, "bytes=0-,-1", Whole),
    ("sixteen parts", &MOVIE, "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30",
        Parts(&[(0, 0), (2, 2), (4, 4), (6, 6), (8, 8), (10, 10), (12, 12), (14, 14), (16, 16), (18, 18), (20, 20), (22, 22), (24, 24), (26, 26), (28, 28), (30, 30)])),
    ("seventeen parts", &MOVIE, "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30,32-32", Whole),
];

const SAME: &str = "If-None-Match: \"a90cb6eedeb86e85\"";
const RANGE: &str = "Range: bytes=0-1";
const PAST: &str = "Range: bytes=1000-";

/// GET of [`MOVIE`] with preconditions.
#[rustfmt::skip] // one row per line
const CONDITIONS: &[(&str, &[&str], Expected)] = &[
    ("no precondition", &[], Whole),
    ("the tag is known", &[SAME], NotModified),
    ("a weak form of the tag", &["If-None-Match: W/\"a90cb6eedeb86e85\""], NotModified),
    ("another tag", &["If-None-Match: \"other\""], Whole),
    ("any tag", &["If-None-Match: *"], NotModified),
    ("the tag is in a list", &["If-None-Match: \"a\", ,\"b,c\" , \"a90cb6eedeb86e85\""], NotModified),
    ("the tag is in another line", &["If-None-Match: \"a\"", SAME], NotModified),
    ("the tag is inside another's quotes", &["If-None-Match: \"a,a90cb6eedeb86e85,b\""], Whole),
    ("the tag has no quotes", &["If-None-Match: a90cb6eedeb86e85"], Whole),

    ("the tag is wanted", &["If-Match: \"a90cb6eedeb86e85\""], Whole),
    ("the tag is wanted in a list", &["If-Match: \"a\",\"a90cb6eedeb86e85\""], Whole),
    ("anything is wanted", &["If-Match: *"], Whole),
    ("another tag is wanted", &["If-Match: \"other\""], Failed),
    ("a weak tag never matches strongly", &["If-Match: W/\"a90cb6eedeb86e85\""], Failed),
    ("an empty list matches nothing", &["If-Match: "], Failed),

    ("not changed since its date", &["If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"], NotModified),
    ("not changed since later", &["If-Modified-Since: Sun, 09 Sep 2001 01:46:41 GMT"], NotModified),
    ("changed since earlier", &["If-Modified-Since: Sun, 09 Sep 2001 01:46:39 GMT"], Whole),
    ("a date in the form of RFC 850", &["If-Modified-Since: Sunday, 09-Sep-01 01:46:40 GMT"], NotModified),
    ("a date in the form of asctime", &["If-Modified-Since: Sun Sep  9 01:46:40 2001"], NotModified),
    ("a date that cannot be read", &["If-Modified-Since: yesterday"], Whole),
    ("unchanged as wanted", &["If-Unmodified-Since: Sun, 09 Sep 2001 01:46:40 GMT"], Whole),
    ("changed since the date", &["If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT"], Failed),
    ("an unparsable date", &["If-Unmodified-Since: soon"], Whole),

    ("a tag takes precedence over a date", &["If-None-Match: \"other\"", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"], Whole),
    ("If-Match takes precedence over a date", &["If-Match: \"a90cb6eedeb86e85\"", "If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT"], Whole),
    ("412 comes before 304", &["If-Match: \"other\"", SAME], Failed),
    ("412 by date comes before 304", &["If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT", SAME], Failed),

    ("304 comes before 206", &[RANGE, SAME], NotModified),
    ("304 comes before 416", &[PAST, SAME], NotModified),
    ("304 by date comes before 206", &[RANGE, "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"], NotModified),
    ("412 comes before 206", &[RANGE, "If-Match: \"other\""], Failed),
    ("412 comes before 416", &[PAST, "If-Match: \"other\""], Failed),
    ("412 by date comes before 206", &[RANGE, "If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT"], Failed),
    ("a precondition that holds, and a range", &[RANGE, "If-Match: \"a90cb6eedeb86e85\""], Part(0, 1)),
    ("304 comes before If-Range", &[RANGE, SAME, "If-Range: \"other\""], NotModified),

    ("If-Range with the strong tag", &[RANGE, "If-Range: \"a90cb6eedeb86e85\""], Part(0, 1)),
    ("If-Range with the tag, past the end", &[PAST, "If-Range: \"a90cb6eedeb86e85\""], Unsatisfiable),
    ("If-Range with a weak tag", &[RANGE, "If-Range: W/\"a90cb6eedeb86e85\""], Whole),
    ("If-Range with a stale tag", &[RANGE, "If-Range: \"other\""], Whole),
    ("If-Range with a stale tag, past the end", &[PAST, "If-Range: \"other\""], Whole),
    ("If-Range with the exact date", &[RANGE, "If-Range: Sun, 09 Sep 2001 01:46:40 GMT"], Part(0, 1)),
    ("If-Range with a later date", &[RANGE, "If-Range: Sun, 09 Sep 2001 01:46:41 GMT"], Whole),
    ("If-Range with an earlier date", &[RANGE, "If-Range: Sun, 09 Sep 2001 01:46:39 GMT"], Whole),
    ("If-Range that cannot be read", &[RANGE, "If-Range: gibberish"], Whole),
    ("If-Range is no list", &[RANGE, "If-Range: \"a90cb6eedeb86e85\", \"other\""], Whole),
    ("If-Range is no star", &[RANGE, "If-Range: *"], Whole),
    ("If-Range twice", &[RANGE, "If-Range: \"a90cb6eedeb86e85\"", "If-Range: \"a90cb6eedeb86e85\""], Whole),
    ("If-Range without a range", &["If-Range: \"other\""], Whole),
    ("Range twice", &[RANGE, RANGE], Whole),
];

/// All rows: the tables above, and what they imply for HEAD, which has preconditions but no ranges
/// (RFC 9110 section 14.2).
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: &str, test_file, method, fields: &[&str], expected| {
        cases.push(Case {
            name: format!("{method} of {name}"),
            test_file,
            method,
            fields: fields.iter().map(|&field| field.into()).collect(),
            expected,
        });
    };
    for test_file in [&MOVIE, &ONE, &EMPTY] {
        add(test_file.name, test_file, "GET", &[], Whole);
    }
    for test_file in [&MOVIE, &ONE, &EMPTY, &LARGE, &HUGE] {
        add(test_file.name, test_file, "HEAD", &[], Whole);
    }
    for (name, test_file, range, expected) in RANGES {
        let range = format!("Range: {range}");
        add(name, test_file, "GET", &[&range], *expected);
        add(name, test_file, "HEAD", &[&range], Whole);
    }
    for (name, fields, expected) in CONDITIONS {
        add(name, &MOVIE, "GET", fields, *expected);
        let for_head = match expected {
            Part(..) | Parts(_) | Unsatisfiable => Whole,
            other => *other,
        };
        add(name, &MOVIE, "HEAD", fields, for_head);
    }
    cases
}
