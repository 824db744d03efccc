-- Queues that stopped at a document that went to failed/ (`on_error`); they stay so until somebody resumes them.
CREATE TABLE stops (
    queue      TEXT PRIMARY KEY,
    since      REAL NOT NULL,
    upload_id  TEXT NOT NULL,
    file       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Batches (`mode: batch`) and, once all their documents rest, the name of their report.
CREATE TABLE batches (
    id      TEXT PRIMARY KEY,
    queue   TEXT NOT NULL,
    began   REAL NOT NULL,
    plan    TEXT NOT NULL,  -- what was ready, in order: JSON, pairs of folder and name in hex; empty where a report told of it
    ended   REAL,
    report  TEXT,
    retired_at  REAL,  -- when and how the report went out of the care of `retain`, as for documents
    retired_as  TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX batches_open ON batches (queue) WHERE report IS NULL;
CREATE INDEX batches_reported ON batches (queue, ended) WHERE report IS NOT NULL AND retired_at IS NULL;

-- A report tells of all documents of its batch.
CREATE INDEX documents_by_batch ON documents (json_extract(journey, '$.batch_id'))
WHERE json_extract(journey, '$.batch_id') IS NOT NULL;
