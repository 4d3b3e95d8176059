-- Every attempt to tell a receiver of an alert; an attempt that is stored again is the same row. No person's number lies here.
CREATE TABLE IF NOT EXISTS delivery_attempt_rows
(
    alert_id String COMMENT 'or the id of a summary of several',
    revision UInt32,
    receiver LowCardinality(String),
    attempt UInt32 COMMENT 'from 1 for each revision; 0: given up without one',
    state LowCardinality(String) COMMENT 'delivered, failed or given_up',
    status UInt16 COMMENT 'HTTP or SMTP status, 0 without an answer',
    error String,
    family LowCardinality(String),
    rule_id LowCardinality(String),
    light LowCardinality(String),
    summary String COMMENT 'the summary it was told in, or empty',
    queued_at DateTime64(3, '${timezone}'),
    attempted_at DateTime64(3, '${timezone}'),
    took_ms Float64,
    ingested_at DateTime64(3, '${timezone}') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(attempted_at)
ORDER BY (alert_id, revision, receiver, attempt, state)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE VIEW IF NOT EXISTS delivery_attempts AS SELECT * FROM delivery_attempt_rows FINAL;

ALTER TABLE delivery_rows
    MODIFY COLUMN status UInt16 COMMENT 'HTTP or SMTP status of the last attempt, 0 without an answer',
    ADD COLUMN IF NOT EXISTS error String AFTER status,
    ADD COLUMN IF NOT EXISTS family LowCardinality(String) AFTER error,
    ADD COLUMN IF NOT EXISTS rule_id LowCardinality(String) AFTER family,
    ADD COLUMN IF NOT EXISTS light LowCardinality(String) AFTER rule_id,
    ADD COLUMN IF NOT EXISTS summary String COMMENT 'the summary it was told in, or empty' AFTER light,
    ADD COLUMN IF NOT EXISTS queued_at DateTime64(3, '${timezone}') AFTER summary;

-- A view knows the columns of the day it was made, so it is made anew.
CREATE OR REPLACE VIEW deliveries AS SELECT * FROM delivery_rows FINAL;
