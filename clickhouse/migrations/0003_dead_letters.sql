-- What could not be judged, once per place it came from.
CREATE TABLE IF NOT EXISTS dead_letter_rows
(
    topic LowCardinality(String),
    partition Int32,
    offset Int64,
    field String,
    reason String,
    key String COMMENT 'original bytes',
    value String COMMENT 'original bytes',
    schema UInt16,
    ingested_at DateTime64(3, '${timezone}') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, partition, offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE VIEW IF NOT EXISTS dead_letters AS SELECT * EXCEPT (schema) FROM dead_letter_rows FINAL;
