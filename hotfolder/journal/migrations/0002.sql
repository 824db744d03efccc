-- Which content a queue has had: for duplicates, and for documents that come back from failed/.
ALTER TABLE documents ADD COLUMN sha256 TEXT;
UPDATE documents SET sha256 = json_extract(journey, '$.sha256');
CREATE INDEX documents_by_content ON documents (queue, sha256) WHERE sha256 IS NOT NULL;

-- `why` and `audit` tell a document's history.
CREATE INDEX arrows_by_document ON arrows (upload_id);

-- Each run of the daemon marks the work folders that it uses: a mark that is not in here tells that this journal
-- is not the one that the folder knew (it was removed, or an old copy was put back).
CREATE TABLE runs (
    run    TEXT PRIMARY KEY,
    began  REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- What each folder stood on: a bare mount point must not be taken for an empty folder.
CREATE TABLE grounds (
    path         TEXT PRIMARY KEY,
    mount_point  TEXT NOT NULL,
    fs_type      TEXT NOT NULL,
    dev          TEXT NOT NULL,  -- numbers of 64 bits without sign, which INTEGER cannot hold
    ino          TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Queues that somebody paused; they stay so through a restart.
CREATE TABLE pauses (
    queue   TEXT PRIMARY KEY,
    since   REAL NOT NULL,
    reason  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
