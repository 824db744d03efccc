-- One row a document, holding all that is known of its journey, and one row an arrow it went along.
CREATE TABLE documents (
    upload_id   TEXT PRIMARY KEY,
    queue       TEXT NOT NULL,
    connection  TEXT NOT NULL,
    folder      BLOB NOT NULL,
    name        BLOB NOT NULL,
    state       TEXT NOT NULL,
    updated_at  REAL NOT NULL,
    journey     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Recovery and status read only what is not at rest; its size does not grow with the archive.
CREATE INDEX documents_open ON documents (queue, state) WHERE state NOT IN ('filed', 'returned');

-- `why FILE` asks for the last document of that name.
CREATE INDEX documents_by_name ON documents (queue, folder, name);

CREATE TABLE arrows (
    number     INTEGER PRIMARY KEY,
    upload_id  TEXT NOT NULL,
    at         REAL NOT NULL,
    event      TEXT NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT
) STRICT;

-- What became of each queue's documents, counted as they are filed.
CREATE TABLE tallies (
    queue    TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    number   INTEGER NOT NULL,
    PRIMARY KEY (queue, outcome)
) STRICT, WITHOUT ROWID;

-- How long a writer of this queue has been seen to pause before it came back.
CREATE TABLE settling (
    queue     TEXT PRIMARY KEY,
    window_s  REAL NOT NULL
) STRICT, WITHOUT ROWID;
