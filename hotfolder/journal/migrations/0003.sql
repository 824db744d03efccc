-- Which document of ours a service's own id belongs to: a webhook names that id alone. The first document that has
-- it counts; one that was filed unsent with the ids of an earlier one does not.
CREATE TABLE remote_ids (
    connection   TEXT NOT NULL,
    document_id  TEXT NOT NULL,
    upload_id    TEXT NOT NULL,
    PRIMARY KEY (connection, document_id)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO remote_ids
SELECT connection, one.value, upload_id FROM documents, json_each(journey, '$.answer.document_ids') AS one
WHERE one.type = 'text' ORDER BY upload_id;

-- What the services told by themselves. A repeat is counted; what belongs to no known document waits for one.
CREATE TABLE webhooks (
    number       INTEGER PRIMARY KEY,
    connection   TEXT NOT NULL,
    key          TEXT NOT NULL,
    document_id  TEXT NOT NULL,
    received_at  REAL NOT NULL,
    last_at      REAL NOT NULL,
    times        INTEGER NOT NULL DEFAULT 1,
    rejected     INTEGER NOT NULL,
    record       TEXT NOT NULL,
    upload_id    TEXT,
    written      INTEGER NOT NULL DEFAULT 0,  -- how many of the times stand in the document's sidecar
    UNIQUE (connection, key)
) STRICT;
CREATE INDEX webhooks_of_nobody ON webhooks (connection, document_id) WHERE upload_id IS NULL;
CREATE INDEX webhooks_unwritten ON webhooks (upload_id) WHERE upload_id IS NOT NULL AND written < times;
CREATE INDEX webhooks_rejected ON webhooks (upload_id) WHERE upload_id IS NOT NULL AND rejected;
CREATE INDEX webhooks_by_age ON webhooks (last_at);
