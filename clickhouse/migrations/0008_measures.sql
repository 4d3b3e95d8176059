-- What supervisors measure, worked out once when a document is stored so that recomputing an hour reads a few narrow columns.
-- Fees by kind follow the groups of the front page of a medical record: examination 03 and 04, treatment 05 and 06, drugs 09 to 11.
-- A hospital's outpatient document with drugs but without a prescription number counts as one prescription.
ALTER TABLE settlement_rows
    ADD COLUMN IF NOT EXISTS examination_fee Decimal(18, 2) MATERIALIZED
        arraySum((kind, fee) -> if(kind IN ('03', '04'), fee, 0), lines.med_chrgitm_type, lines.det_item_fee_sumamt),
    ADD COLUMN IF NOT EXISTS treatment_fee Decimal(18, 2) MATERIALIZED
        arraySum((kind, fee) -> if(kind IN ('05', '06'), fee, 0), lines.med_chrgitm_type, lines.det_item_fee_sumamt),
    ADD COLUMN IF NOT EXISTS drug_fee Decimal(18, 2) MATERIALIZED
        arraySum((kind, fee) -> if(kind IN ('09', '10', '11'), fee, 0), lines.med_chrgitm_type, lines.det_item_fee_sumamt),
    ADD COLUMN IF NOT EXISTS prescriptions UInt16 MATERIALIZED greatest(
        length(arrayDistinct(arrayFilter(number -> number != '', lines.rxno))),
        startsWith(med_type, '1') AND hasAny(lines.med_chrgitm_type, ['09', '10', '11'])),
    ADD COLUMN IF NOT EXISTS inpatient_days UInt16 MATERIALIZED if(startsWith(med_type, '2'),
        least(9999, greatest(1, ifNull(dateDiff('day', toDate32OrNull(left(begndate, 10)), toDate32OrNull(left(enddate, 10))), 1))), 0),
    ADD COLUMN IF NOT EXISTS disease LowCardinality(String) MATERIALIZED multiIf(
        has(diagnoses.maindiag_flag, '1'), diagnoses.diag_code[indexOf(diagnoses.maindiag_flag, '1')],
        notEmpty(diagnoses), diagnoses.diag_code[1], dise_codg) COMMENT 'main diagnosis';

-- Money, prescriptions and days are settled less taken back. `persons` are those of settlements, `uniqCombined64Merge(14)(persons)`
-- over whatever cells: exact below some hundred persons, 0.8 % beyond, the same for the same persons however they are cut into cells.
ALTER TABLE panel_hourly
    ADD COLUMN IF NOT EXISTS hifp Decimal(18, 2) COMMENT 'pooled fund, settled less taken back',
    ADD COLUMN IF NOT EXISTS examination_fee Decimal(18, 2),
    ADD COLUMN IF NOT EXISTS treatment_fee Decimal(18, 2),
    ADD COLUMN IF NOT EXISTS drug_fee Decimal(18, 2),
    ADD COLUMN IF NOT EXISTS prescriptions Int64,
    ADD COLUMN IF NOT EXISTS inpatient_days Int64,
    ADD COLUMN IF NOT EXISTS persons AggregateFunction(uniqCombined64(14), String);

-- In the place of `panel_daily`, into which an earlier migration, run by a program that starts late, writes nine columns.
-- By month and then institution: the city's last weeks are read without the year, one institution without the others.
CREATE TABLE IF NOT EXISTS panel_institution_daily
(
    day DateTime('${timezone}') COMMENT 'its first second',
    mdtrtarea_admvs LowCardinality(String),
    fixmedins_code LowCardinality(String),
    med_type LowCardinality(String),
    events UInt64,
    settlements UInt64,
    reversals UInt64,
    fee Decimal(18, 2),
    fund Decimal(18, 2),
    hifp Decimal(18, 2),
    examination_fee Decimal(18, 2),
    treatment_fee Decimal(18, 2),
    drug_fee Decimal(18, 2),
    prescriptions Int64,
    inpatient_days Int64,
    persons AggregateFunction(uniqCombined64(14), String)
)
ENGINE = ReplacingMergeTree(events)
PARTITION BY toYYYYMM(day)
ORDER BY (fixmedins_code, day, mdtrtarea_admvs, med_type)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS panel_monthly
(
    month DateTime('${timezone}') COMMENT 'its first second',
    mdtrtarea_admvs LowCardinality(String),
    fixmedins_code LowCardinality(String),
    med_type LowCardinality(String),
    events UInt64,
    settlements UInt64,
    reversals UInt64,
    fee Decimal(18, 2),
    fund Decimal(18, 2),
    hifp Decimal(18, 2),
    examination_fee Decimal(18, 2),
    treatment_fee Decimal(18, 2),
    drug_fee Decimal(18, 2),
    prescriptions Int64,
    inpatient_days Int64,
    persons AggregateFunction(uniqCombined64(14), String)
)
ENGINE = ReplacingMergeTree(events)
ORDER BY (fixmedins_code, month, mdtrtarea_admvs, med_type)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Districts, so that the whole city is read without its institutions.
CREATE TABLE IF NOT EXISTS panel_area_daily
(
    day DateTime('${timezone}') COMMENT 'its first second',
    mdtrtarea_admvs LowCardinality(String),
    med_type LowCardinality(String),
    events UInt64,
    settlements UInt64,
    reversals UInt64,
    fee Decimal(18, 2),
    fund Decimal(18, 2),
    hifp Decimal(18, 2),
    examination_fee Decimal(18, 2),
    treatment_fee Decimal(18, 2),
    drug_fee Decimal(18, 2),
    prescriptions Int64,
    inpatient_days Int64,
    persons AggregateFunction(uniqCombined64(14), String)
)
ENGINE = ReplacingMergeTree(events)
ORDER BY (day, mdtrtarea_admvs, med_type)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS panel_area_monthly
(
    month DateTime('${timezone}') COMMENT 'its first second',
    mdtrtarea_admvs LowCardinality(String),
    med_type LowCardinality(String),
    events UInt64,
    settlements UInt64,
    reversals UInt64,
    fee Decimal(18, 2),
    fund Decimal(18, 2),
    hifp Decimal(18, 2),
    examination_fee Decimal(18, 2),
    treatment_fee Decimal(18, 2),
    drug_fee Decimal(18, 2),
    prescriptions Int64,
    inpatient_days Int64,
    persons AggregateFunction(uniqCombined64(14), String)
)
ENGINE = ReplacingMergeTree(events)
ORDER BY (month, mdtrtarea_admvs, med_type)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Main diagnoses of an institution: the way from an institution to its persons.
CREATE TABLE IF NOT EXISTS panel_disease_daily
(
    fixmedins_code LowCardinality(String),
    day DateTime('${timezone}') COMMENT 'its first second',
    disease LowCardinality(String),
    events UInt64,
    settlements UInt64,
    reversals UInt64,
    fee Decimal(18, 2),
    fund Decimal(18, 2),
    drug_fee Decimal(18, 2),
    inpatient_days Int64,
    persons AggregateFunction(uniqCombined64(14), String)
)
ENGINE = ReplacingMergeTree(events)
PARTITION BY toYYYYMM(day)
ORDER BY (fixmedins_code, day, disease)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Who came most often in the seven days that end with the hour `until`, per institution and (fixmedins_code empty) in the city.
-- Computed whole, at a slow rate because it reads seven days; only rows of the last computation count (`panel_visitors`).
CREATE TABLE IF NOT EXISTS panel_visitor_rows
(
    fixmedins_code LowCardinality(String),
    place UInt16 COMMENT 'from 1',
    version UInt64 COMMENT 'tells computations apart: seconds of until in the upper half, events read in the lower',
    until DateTime('${timezone}'),
    psn_no String,
    visits UInt64 COMMENT 'without pharmacies and stays',
    documents UInt64 COMMENT 'settled and not taken back',
    institutions UInt64,
    fund Decimal(18, 2),
    last_at DateTime('${timezone}')
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (fixmedins_code, place)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- What hospitals asked, by hour: asked = passed + warned + changed + undecided for 3101 and 3102, messages for 3103.
-- An answer to a finding comes later than its hour, which is then computed anew; `seen` grows with everything a cell counts.
CREATE TABLE IF NOT EXISTS panel_audit_hourly
(
    hour DateTime('${timezone}'),
    fixmedins_code LowCardinality(String),
    infno LowCardinality(String),
    seen UInt64,
    asked UInt64 COMMENT 'well-formed messages',
    passed UInt64 COMMENT 'nothing shown',
    warned UInt64 COMMENT 'shown, and not gone back to change it',
    continued UInt64 COMMENT 'of the warned: gone on with a reason',
    changed UInt64 COMMENT 'gone back to change at least one',
    undecided UInt64,
    red UInt64 COMMENT 'by the worst shown',
    yellow UInt64 COMMENT 'by the worst shown',
    refused UInt64 COMMENT 'messages with a fault, not among the asked',
    took AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), Float64) COMMENT 'milliseconds of the asked, within 1 %'
)
ENGINE = ReplacingMergeTree(seen)
ORDER BY (hour, fixmedins_code, infno)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS panel_city_audit_hourly
(
    hour DateTime('${timezone}'),
    infno LowCardinality(String),
    seen UInt64,
    asked UInt64,
    passed UInt64,
    warned UInt64,
    continued UInt64,
    changed UInt64,
    undecided UInt64,
    red UInt64,
    yellow UInt64,
    refused UInt64,
    took AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), Float64)
)
ENGINE = ReplacingMergeTree(seen)
ORDER BY (hour, infno)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS panel_audit_rule_hourly
(
    hour DateTime('${timezone}'),
    fixmedins_code LowCardinality(String),
    rule_id LowCardinality(String),
    seen UInt64,
    findings UInt64 COMMENT 'shown',
    explained UInt64 COMMENT 'explained by an exception, not shown',
    red UInt64,
    yellow UInt64,
    continued UInt64,
    returned UInt64,
    amount Decimal(18, 2) COMMENT 'of the shown'
)
ENGINE = ReplacingMergeTree(seen)
ORDER BY (hour, fixmedins_code, rule_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Alerts without their bulk, and their evidence by the day it ends. Both are plain copies of what comes in, one row per identity, so a
-- materialised view keeps them right. Evidence of an older revision stays behind: only that of the last one counts (`panel_evidence`).
CREATE TABLE IF NOT EXISTS finding_rows
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
    institutions Array(LowCardinality(String)),
    window_from DateTime('${timezone}'),
    window_to DateTime('${timezone}'),
    rule_id LowCardinality(String),
    shadow Bool,
    amount Decimal(18, 2),
    withdrawn Bool
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY alert_id
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS evidence_rows
(
    day DateTime('${timezone}') COMMENT 'of window_to: no document of the evidence is later',
    alert_id String,
    event_id String,
    revision UInt32
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(day)
ORDER BY (day, alert_id, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS finding_feed TO finding_rows AS
SELECT alert_id, revision, detector, family, subject_type, subject_id, light, score, raised_at, institutions, window_from, window_to,
    rule_id, shadow, amount, withdrawn
FROM alert_revisions;

CREATE MATERIALIZED VIEW IF NOT EXISTS evidence_feed TO evidence_rows AS
SELECT toStartOfDay(window_to) AS day, alert_id, arrayJoin(event_ids) AS event_id, revision
FROM alert_revisions;

INSERT INTO finding_rows
SELECT alert_id, revision, detector, family, subject_type, subject_id, light, score, raised_at, institutions, window_from, window_to,
    rule_id, shadow, amount, withdrawn
FROM alert_revisions FINAL;

INSERT INTO evidence_rows
SELECT toStartOfDay(window_to) AS day, alert_id, arrayJoin(event_ids) AS event_id, revision
FROM alert_revisions FINAL;

-- A mark now goes through the steps of a refresh: hours quickly, what is made of them at a slower rate.
ALTER TABLE panel_marks
    MODIFY COLUMN cleared UInt8 COMMENT '0 hour to be recomputed, 1 its day and month, 2 the visitors, 3 done';

ALTER TABLE panel_marks MODIFY TTL marked_at + INTERVAL 1 HOUR DELETE WHERE cleared = 3 SETTINGS materialize_ttl_after_modify = 0;

-- Hours of messages from hospitals ('audit') and of their answers to findings ('answer'), by the same rule as `panel_marks`.
CREATE TABLE IF NOT EXISTS panel_audit_marks
(
    kind LowCardinality(String),
    hour DateTime('${timezone}'),
    mark UInt64,
    cleared UInt8,
    marked_at DateTime('${timezone}') DEFAULT now()
)
ENGINE = ReplacingMergeTree(cleared)
ORDER BY (kind, hour, mark)
TTL marked_at + INTERVAL 1 HOUR DELETE WHERE cleared = 1
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Hours that were there before: their new columns are worked out by the next refresh. On a new database there are none.
INSERT INTO panel_institution_daily (day, mdtrtarea_admvs, fixmedins_code, med_type, events, settlements, reversals, fee, fund)
SELECT toStartOfDay(hour) AS day, mdtrtarea_admvs, fixmedins_code, med_type, sum(events), sum(settlements), sum(reversals),
    sum(fee), sum(fund)
FROM panel_hours
GROUP BY day, mdtrtarea_admvs, fixmedins_code, med_type
SETTINGS max_partitions_per_insert_block = 0;

INSERT INTO panel_marks (hour, mark, cleared) SELECT hour, rand64(), 0 FROM panel_hourly GROUP BY hour;

INSERT INTO panel_audit_marks (kind, hour, mark, cleared)
SELECT 'audit', toStartOfHour(asked_at) AS hour, rand64(), 0 FROM audit_rows GROUP BY hour;

-- A view knows the columns of the day it was made, so it is made anew.
CREATE OR REPLACE VIEW panel_hours AS SELECT * FROM panel_hourly FINAL;

CREATE OR REPLACE VIEW panel_days AS SELECT * FROM panel_institution_daily FINAL;

DROP TABLE IF EXISTS panel_daily;

CREATE VIEW IF NOT EXISTS panel_months AS SELECT * FROM panel_monthly FINAL;

CREATE VIEW IF NOT EXISTS panel_area_days AS SELECT * FROM panel_area_daily FINAL;

CREATE VIEW IF NOT EXISTS panel_area_months AS SELECT * FROM panel_area_monthly FINAL;

CREATE VIEW IF NOT EXISTS panel_disease_days AS SELECT * FROM panel_disease_daily FINAL;

CREATE VIEW IF NOT EXISTS panel_audit_hours AS SELECT * FROM panel_audit_hourly FINAL;

CREATE VIEW IF NOT EXISTS panel_city_audit_hours AS SELECT * FROM panel_city_audit_hourly FINAL;

CREATE VIEW IF NOT EXISTS panel_audit_rule_hours AS SELECT * FROM panel_audit_rule_hourly FINAL;

CREATE VIEW IF NOT EXISTS panel_findings AS SELECT * EXCEPT (withdrawn) FROM finding_rows FINAL WHERE NOT withdrawn;

CREATE VIEW IF NOT EXISTS panel_evidence AS
SELECT evidence.day AS day, evidence.event_id AS event_id, evidence.alert_id AS alert_id, finding.light AS light, finding.score AS score,
    finding.detector AS detector, finding.shadow AS shadow
FROM evidence_rows AS evidence FINAL
INNER JOIN finding_rows AS finding FINAL ON finding.alert_id = evidence.alert_id AND finding.revision = evidence.revision;

-- As before, but found without reading every hour there is: the days say where to begin.
CREATE OR REPLACE VIEW panel_latest AS
SELECT
    if(countIf(hours.hour <= now() + INTERVAL 1 DAY) > 0, maxIf(hours.hour, hours.hour <= now() + INTERVAL 1 DAY), max(hours.hour)) AS hour
FROM panel_hourly AS hours
WHERE hours.hour >= (SELECT maxIf(days.day, days.day <= now()) FROM panel_area_daily AS days);

CREATE VIEW IF NOT EXISTS panel_visitors AS
SELECT * EXCEPT (version)
FROM panel_visitor_rows FINAL
WHERE version = (SELECT max(version) FROM panel_visitor_rows);
