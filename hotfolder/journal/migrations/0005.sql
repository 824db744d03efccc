-- When and how a document at rest went out of the care of `retain`: `removed` by it; `gone`, its record was not there any
-- more; `changed`, what lay in its place was not what had been filed.
ALTER TABLE documents ADD COLUMN retired_at REAL;
ALTER TABLE documents ADD COLUMN retired_as TEXT;

-- What rests in done/ (1) and in failed/ (0), the oldest first.
CREATE INDEX documents_resting
ON documents (queue, json_extract(journey, '$.error_source') IS NULL, updated_at, upload_id)
WHERE state = 'filed' AND retired_at IS NULL;

-- What the clock said when a queue's archives were last looked through: a clock that leaps removes nothing.
CREATE TABLE upkeep (
    queue      TEXT PRIMARY KEY,
    looked_at  REAL NOT NULL
) STRICT, WITHOUT ROWID;
