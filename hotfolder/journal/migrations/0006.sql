-- What is to be told to whom; a row is taken out once the message that holds it was taken.
CREATE TABLE notices (
    number  INTEGER PRIMARY KEY,
    target  TEXT NOT NULL,
    letter  TEXT,  -- the message that it goes out with, once that was begun: a repeated message has the same name
    times   INTEGER NOT NULL,
    notice  TEXT NOT NULL
) STRICT;

-- Trouble that was told, until a day after it was over.
CREATE TABLE told (
    key   TEXT PRIMARY KEY,
    told  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- When messages went out, for the limit of an hour.
CREATE TABLE letters (
    target  TEXT NOT NULL,
    at      REAL NOT NULL
) STRICT;

-- How many documents of each queue were taken in each hour (counted from 1970): what is usual.
CREATE TABLE arrivals (
    queue    TEXT NOT NULL,
    hour     INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    last_at  REAL NOT NULL,
    PRIMARY KEY (queue, hour)
) STRICT, WITHOUT ROWID;

-- Up to which arrow the history was read for all this, and the run that has not ended in good order.
CREATE TABLE bookmarks (
    name   TEXT PRIMARY KEY,
    value  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
