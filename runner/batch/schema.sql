-- The state of a batch. application_id says that the file is ours, user_version which of our layouts it has.
CREATE TABLE facts (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- state: open, done, failed (set aside), cancelled
CREATE TABLE rows (
    number INTEGER PRIMARY KEY,
    settings TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    message TEXT,
    detail TEXT
);
CREATE INDEX rows_by_state ON rows (state, number);

-- state: open, saving, done, failed, withdrawn
CREATE TABLE attempts (
    row INTEGER NOT NULL,
    number INTEGER NOT NULL,
    host TEXT NOT NULL,
    prompt_id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL DEFAULT 'open',
    error TEXT,
    message TEXT,
    forgiven INTEGER NOT NULL DEFAULT 0, -- 1 after `retry`: it does not count against the row any more
    began REAL NOT NULL,
    ended REAL,
    PRIMARY KEY (row, number)
) WITHOUT ROWID;

CREATE TABLE files (
    row INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    place INTEGER NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    record_sha256 TEXT NOT NULL,
    stage TEXT NOT NULL,
    likeness REAL,
    PRIMARY KEY (row, attempt, place)
) WITHOUT ROWID;
