-- What hospitals asked, what they were told and what they did about it. A message lies here whole but without names.
ALTER TABLE audit_rows
    MODIFY COLUMN infno LowCardinality(String) COMMENT '3101, 3102 or 3103',
    MODIFY COLUMN light LowCardinality(String) COMMENT 'the worst that was shown, empty when nothing was found',
    MODIFY COLUMN psn_no String COMMENT 'the first person of the message',
    MODIFY COLUMN rule_ids Array(String) COMMENT 'of what was shown',
    ADD COLUMN IF NOT EXISTS msgid String AFTER audit_id,
    ADD COLUMN IF NOT EXISTS client LowCardinality(String) COMMENT 'who signed in' AFTER infno,
    ADD COLUMN IF NOT EXISTS face LowCardinality(String) COMMENT 'json, xml or soap' AFTER client,
    ADD COLUMN IF NOT EXISTS psn_nos Array(String) COMMENT 'all persons of the message' AFTER psn_no,
    ADD COLUMN IF NOT EXISTS department_id LowCardinality(String) AFTER fixmedins_code,
    ADD COLUMN IF NOT EXISTS doctor_id LowCardinality(String) AFTER department_id,
    ADD COLUMN IF NOT EXISTS trig_scen LowCardinality(String) AFTER doctor_id,
    ADD COLUMN IF NOT EXISTS sev_deg LowCardinality(String) COMMENT 'of the worst that was shown' AFTER light,
    ADD COLUMN IF NOT EXISTS findings UInt16 COMMENT 'shown' AFTER rule_ids,
    ADD COLUMN IF NOT EXISTS infcode Int32 COMMENT '0, or below it what was wrong with the message' AFTER undecided,
    ADD COLUMN IF NOT EXISTS request String COMMENT 'JSON without names' CODEC(ZSTD(3)) AFTER took_ms,
    ADD COLUMN IF NOT EXISTS answer String COMMENT 'JSON' CODEC(ZSTD(3)) AFTER request,
    ADD COLUMN IF NOT EXISTS digest String COMMENT 'tells a message from another with its msgid' AFTER answer,
    ADD INDEX IF NOT EXISTS by_message msgid TYPE bloom_filter(0.01) GRANULARITY 4;

ALTER TABLE audit_rows MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1;

-- One row per thing told, by the id under which it was told; told once more under that id, the later stays.
CREATE TABLE IF NOT EXISTS audit_finding_rows
(
    jr_id String,
    audit_id String,
    msgid String,
    asked_at DateTime64(3, '${timezone}'),
    psn_no String,
    fixmedins_code LowCardinality(String),
    department_id LowCardinality(String),
    doctor_id LowCardinality(String),
    rule_id LowCardinality(String),
    rule_version UInt32,
    title LowCardinality(String),
    subject_type LowCardinality(String),
    light LowCardinality(String) COMMENT 'green: explained by an exception, not shown',
    sev_deg LowCardinality(String),
    score Float64,
    vola_amt Decimal(18, 2),
    explanation String,
    rx_ids Array(String) COMMENT 'the orders it is about',
    ingested_at DateTime64(3, '${timezone}') DEFAULT now64(3),
    INDEX by_person psn_no TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplacingMergeTree(asked_at)
PARTITION BY toYYYYMM(asked_at)
ORDER BY jr_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The last answer of the institution that was told; another one's answer to the same id does not touch it.
CREATE TABLE IF NOT EXISTS audit_feedback_rows
(
    warn_rslt_id String COMMENT 'the jr_id it answers',
    audit_id String,
    msgid String,
    fixmedins_code LowCardinality(String),
    dspo_way LowCardinality(String) COMMENT '1 continued, 2 returned',
    dspo_way_rea String,
    answered_at DateTime64(3, '${timezone}'),
    ingested_at DateTime64(3, '${timezone}') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(answered_at)
PARTITION BY toYYYYMM(answered_at)
ORDER BY (warn_rslt_id, fixmedins_code)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- A view knows the columns of the day it was made, so it is made anew.
CREATE OR REPLACE VIEW audits AS SELECT * FROM audit_rows FINAL WHERE infno != '3103';

CREATE VIEW IF NOT EXISTS audit_feedback AS SELECT * FROM audit_feedback_rows FINAL;

CREATE VIEW IF NOT EXISTS audit_findings AS
SELECT
    told.*,
    answered.dspo_way AS dspo_way,
    answered.dspo_way_rea AS dspo_way_rea,
    if(answered.dspo_way = '', NULL, answered.answered_at) AS answered_at
FROM (SELECT * FROM audit_finding_rows FINAL) AS told
LEFT JOIN (SELECT warn_rslt_id, fixmedins_code, dspo_way, dspo_way_rea, answered_at FROM audit_feedback_rows FINAL) AS answered
    ON answered.warn_rslt_id = told.jr_id AND answered.fixmedins_code = told.fixmedins_code;

CREATE VIEW IF NOT EXISTS audit_answers AS
SELECT
    toDate(finding.asked_at, '${timezone}') AS day, finding.fixmedins_code AS fixmedins_code, finding.department_id AS department_id,
    finding.doctor_id AS doctor_id, finding.rule_id AS rule_id,
    countIf(finding.light != 'green') AS findings,
    countIf(finding.light != 'green' AND finding.dspo_way = '1') AS continued,
    countIf(finding.light != 'green' AND finding.dspo_way = '2') AS returned,
    findings - continued - returned AS unanswered,
    countIf(finding.light = 'green') AS explained
FROM audit_findings AS finding
GROUP BY day, fixmedins_code, department_id, doctor_id, rule_id;
