-- Hours as the panels show them, recomputed whole from settlement_rows and never added to, so redelivery cannot inflate them.
-- `events` is the version: the distinct events of a cell only grow, so the row that saw the most of them is the right one, whoever
-- wrote it and when.
CREATE TABLE IF NOT EXISTS panel_hourly
(
    hour DateTime('${timezone}'),
    mdtrtarea_admvs LowCardinality(String),
    fixmedins_code LowCardinality(String),
    med_type LowCardinality(String),
    events UInt64,
    settlements UInt64,
    reversals UInt64,
    fee Decimal(18, 2) COMMENT 'settled less taken back',
    fund Decimal(18, 2) COMMENT 'settled less taken back'
)
ENGINE = ReplacingMergeTree(events)
ORDER BY (hour, mdtrtarea_admvs, fixmedins_code, med_type)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Hours that received rows and were not recomputed since. A mark is written after its rows and cleared, by its own id, after the
-- hour was recomputed from everything the mark stood for. A cleared mark that comes back costs one recomputation, nothing else.
CREATE TABLE IF NOT EXISTS panel_marks
(
    hour DateTime('${timezone}'),
    mark UInt64,
    cleared UInt8,
    marked_at DateTime('${timezone}') DEFAULT now()
)
ENGINE = ReplacingMergeTree(cleared)
ORDER BY (hour, mark)
TTL marked_at + INTERVAL 1 HOUR DELETE WHERE cleared = 1
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS institutions
(
    fixmedins_code String,
    fixmedins_name String,
    fixmedins_type LowCardinality(String) COMMENT '1 hospital, 2 pharmacy',
    hosp_lv LowCardinality(String),
    mdtrtarea_admvs LowCardinality(String),
    lat Nullable(Float64),
    lon Nullable(Float64),
    loaded_at DateTime64(3, '${timezone}') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(loaded_at)
ORDER BY fixmedins_code;

CREATE VIEW IF NOT EXISTS panel_hours AS SELECT * FROM panel_hourly FINAL;

-- The hour the panels end at: the data's own latest, so that a replay of last year shows last year. One settlement dated years
-- ahead must not empty the wall, so hours beyond tomorrow count only if there are no others.
CREATE VIEW IF NOT EXISTS panel_latest AS
SELECT if(countIf(hour <= now() + INTERVAL 1 DAY) > 0, maxIf(hour, hour <= now() + INTERVAL 1 DAY), max(hour)) AS hour
FROM panel_hourly;
