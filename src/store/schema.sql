-- Valid on SQLite and on PostgreSQL. Times are milliseconds since 1970; booleans are 0 and 1.

CREATE TABLE schema_version (version BIGINT NOT NULL);

-- The number of the last change of a job. A writer of jobs locks this row first.
CREATE TABLE sequence (last BIGINT NOT NULL);

-- unavailable: the last error is about this machine, such as a full disk, and not about the job.
-- client: the address whose place in the queue the job takes, while it is queued.
CREATE TABLE jobs (
    id TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    class TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    payload TEXT NOT NULL,
    priority BIGINT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('queued', 'running', 'waiting', 'done', 'failed', 'cancelled')),
    dedupe_key TEXT COLLATE "binary",
    attempts BIGINT NOT NULL CHECK (attempts BETWEEN 0 AND max_attempts),
    max_attempts BIGINT NOT NULL,
    run_at_ms BIGINT NOT NULL,
    lease_token BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until_ms BIGINT,
    permille BIGINT NOT NULL CHECK (permille BETWEEN 0 AND 1000),
    stage TEXT NOT NULL,
    note TEXT NOT NULL,
    cancel_requested BIGINT NOT NULL,
    last_error TEXT,
    unavailable BIGINT NOT NULL DEFAULT 0,
    parent TEXT COLLATE "binary" REFERENCES jobs (id) ON DELETE CASCADE,
    created_ms BIGINT NOT NULL,
    started_ms BIGINT,
    finished_ms BIGINT,
    changed BIGINT NOT NULL,
    client TEXT COLLATE "binary",
    CHECK ((state = 'running') = (lease_until_ms IS NOT NULL)),
    CHECK ((state IN ('done', 'failed', 'cancelled')) = (finished_ms IS NOT NULL))
);

CREATE UNIQUE INDEX jobs_live ON jobs (dedupe_key) WHERE state IN ('queued', 'running', 'waiting');
CREATE INDEX jobs_dedupe ON jobs (dedupe_key, id) WHERE dedupe_key IS NOT NULL;
CREATE INDEX jobs_due ON jobs (priority DESC, run_at_ms, id, class)
    WHERE state IN ('queued', 'running');
CREATE INDEX jobs_queued ON jobs (class, client) WHERE state = 'queued';
CREATE INDEX jobs_running ON jobs (lease_token) WHERE state = 'running';
CREATE UNIQUE INDEX jobs_changed ON jobs (changed);
CREATE INDEX jobs_parent ON jobs (parent) WHERE parent IS NOT NULL;
CREATE INDEX jobs_finished ON jobs (finished_ms) WHERE finished_ms IS NOT NULL;

-- work_ms: the work to make the artifact again.
CREATE TABLE artifacts (
    key TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    token BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    work_ms BIGINT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    used_ms BIGINT NOT NULL
);

-- The walk over the objects of artifacts in a bucket: who does it until when, behind which object it goes on
-- (an empty text at the beginning), and when the next page is due. One row, once it has begun.
CREATE TABLE artifact_sweep (
    one BIGINT NOT NULL PRIMARY KEY,
    owner TEXT COLLATE "binary" NOT NULL,
    lease_until_ms BIGINT NOT NULL,
    after_object TEXT COLLATE "binary" NOT NULL,
    due_ms BIGINT NOT NULL
);

-- The number of the last change for which webhook deliveries were enqueued; one row, once a server
-- with webhooks has started.
CREATE TABLE webhooks_sequence (last BIGINT NOT NULL);

-- What lists show of titles. path: percent-encoded. version: of the title, and of the way to read its facts.
CREATE TABLE facts (
    path TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    version TEXT COLLATE "binary" NOT NULL,
    kind TEXT NOT NULL,
    duration_ms BIGINT,
    width BIGINT,
    height BIGINT,
    is_hdr BIGINT,
    has_poster BIGINT NOT NULL
);

-- The number of the last change of an object. A writer of objects locks this row first. epoch: when the tables were
-- created, in microseconds: numbers of other tables mean other changes.
CREATE TABLE objects_sequence (last BIGINT NOT NULL, epoch BIGINT NOT NULL);

-- The listings of buckets. root: a hash of url, which is endpoint, bucket and prefix. token, lease_until_ms: of the
-- only process that lists it. page_after: the key behind which the next page begins, during a round. listed_ms: the
-- end of the last whole round.
CREATE TABLE listings (
    root TEXT COLLATE "binary" NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    token BIGINT NOT NULL,
    lease_until_ms BIGINT NOT NULL,
    page_after TEXT COLLATE "binary",
    listed_ms BIGINT
);

-- The objects of buckets that can be served. key: without the prefix of its root. gone_ms: when it was found to be
-- removed; the row stays for a day, so that all origins see it. One without a row gets one with an empty etag, for an
-- hour: a page of a listing from before it was removed must not bring it back.
CREATE TABLE objects (
    root TEXT COLLATE "binary" NOT NULL,
    key TEXT COLLATE "binary" NOT NULL,
    size BIGINT NOT NULL,
    etag TEXT COLLATE "binary" NOT NULL,
    modified_ms BIGINT,
    changed BIGINT NOT NULL,
    gone_ms BIGINT,
    PRIMARY KEY (root, key)
);

CREATE UNIQUE INDEX objects_changed ON objects (root, changed);
CREATE INDEX objects_gone ON objects (root, gone_ms) WHERE gone_ms IS NOT NULL;
