-- Days for the long periods: hours hold too many cells once a city has thousands of institutions. Recomputed from whole hours by
-- the same rule, right whoever wrote last.
CREATE TABLE IF NOT EXISTS panel_daily
(
    day DateTime('${timezone}') COMMENT 'its first second',
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
ORDER BY (day, mdtrtarea_admvs, fixmedins_code, med_type)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Hours that were there before the days were; on a new database there are none.
INSERT INTO panel_daily
SELECT toStartOfDay(hour) AS day, mdtrtarea_admvs, fixmedins_code, med_type, sum(events), sum(settlements), sum(reversals),
    sum(fee), sum(fund)
FROM panel_hours
GROUP BY day, mdtrtarea_admvs, fixmedins_code, med_type;

CREATE VIEW IF NOT EXISTS panel_days AS SELECT * FROM panel_daily FINAL;
