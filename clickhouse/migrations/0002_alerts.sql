-- Every revision of an alert goes in; the newest stays. `alerts` shows what stands now: last revision, not withdrawn.
CREATE TABLE IF NOT EXISTS alert_revisions
(
    alert_id String,
    revision UInt32,
    detector LowCardinality(String),
    family LowCardinality(String),
    subject_type LowCardinality(String),
    subject_id String,
    light LowCardinality(String),
    score Float64,
    raised_at DateTime('${timezone}'),
    event_ids Array(String),
    persons Array(String),
    institutions Array(String),
    window_from DateTime('${timezone}'),
    window_to DateTime('${timezone}'),
    explanation String,
    features String COMMENT 'JSON object',
    rule_id LowCardinality(String),
    rule_version UInt32,
    model_version Nullable(String),
    shadow Bool,
    amount Decimal(18, 2),
    withdrawn Bool,
    schema UInt16,
    ingested_at DateTime64(3, '${timezone}') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY alert_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE VIEW IF NOT EXISTS alerts AS
SELECT * EXCEPT (withdrawn, schema) FROM alert_revisions FINAL WHERE NOT withdrawn;
