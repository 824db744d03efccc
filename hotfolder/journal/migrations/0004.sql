-- Queues that stopped at a document that went to failed/ (`on_error`); they stay so until somebody resumes them.
CREATE TABLE stops (
    queue      TEXT PRIMARY KEY,
    since      REAL NOT NULL,
    upload_id  TEXT NOT NULL,
    file       TEXT NOT NULL
) STRICT, WITHOUT ROWID;
