-- What person keys are made with (`person_key` of clickhouse/panels): the least secret counts, so two programs that start at once agree.
CREATE TABLE IF NOT EXISTS person_secret
(
    secret String,
    made_at DateTime64(3) DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY secret
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

INSERT INTO person_secret (secret)
SELECT '${secret}'
WHERE (SELECT count() FROM person_secret) = 0;
