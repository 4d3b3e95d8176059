-- Settlements as they arrived, one row per event with its fee lines inside, so that an event is stored whole or not at all.
-- A redelivered event has the same sorting key and is merged away; every reader uses FINAL or the views below.
-- Two delivery facts shape the key: the same event id is the same event (contract 3), and readers ask by event time.
CREATE TABLE IF NOT EXISTS settlement_rows
(
    event_id String,
    event_type LowCardinality(String),
    orig_setl_id String,
    infno LowCardinality(String),
    inf_time String COMMENT 'as sent: nobody checks it, so no value may stop an insert',
    setl_id String,
    mdtrt_id String,
    psn_no String,
    gend LowCardinality(String),
    brdy String,
    psn_type LowCardinality(String),
    insutype LowCardinality(String),
    insuplc_admdvs LowCardinality(String),
    mdtrt_cert_type LowCardinality(String),
    med_type LowCardinality(String),
    setl_time DateTime('${timezone}'),
    begndate String,
    enddate String,
    fixmedins_code LowCardinality(String),
    fixmedins_name LowCardinality(String),
    hosp_lv LowCardinality(String),
    mdtrtarea_admvs LowCardinality(String),
    dev_no String,
    opter_id String,
    medfee_sumamt Decimal(18, 2),
    fund_pay_sumamt Decimal(18, 2),
    hifp_pay Decimal(18, 2),
    acct_pay Decimal(18, 2),
    psn_cash_pay Decimal(18, 2),
    inscp_scp_amt Decimal(18, 2),
    refd_setl_flag LowCardinality(String),
    dise_codg LowCardinality(String),
    diagnoses Array(Tuple(diag_code String, diag_name String, maindiag_flag String, diag_type String)),
    agnter_certno String,
    agnter_rlts LowCardinality(String),
    long_rx_flag LowCardinality(String),
    lines Array(Tuple(
        feedetl_sn String, med_list_codg String, hilist_name String, list_type String, med_chrgitm_type String,
        cnt Decimal(18, 4), pric Decimal(18, 4), det_item_fee_sumamt Decimal(18, 2), inscp_scp_amt Decimal(18, 2),
        prd_days Decimal(18, 2), fee_ocur_time String, bilg_dr_codg String, bilg_dept_codg String, rxno String,
        rx_circ_flag String, drug_trac_codg Array(String))),
    ingested_at DateTime64(3, '${timezone}') DEFAULT now64(3),
    INDEX by_event event_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_person psn_no TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(setl_time)
ORDER BY (toStartOfHour(setl_time), event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE VIEW IF NOT EXISTS settlements AS
SELECT
    * EXCEPT (lines, inf_time),
    parseDateTimeBestEffortOrNull(inf_time, '${timezone}') AS inf_time,
    length(lines) AS line_count
FROM settlement_rows FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE VIEW IF NOT EXISTS settlement_lines AS
SELECT
    event_id, event_type, setl_id, psn_no, fixmedins_code, setl_time,
    line.feedetl_sn AS feedetl_sn, line.med_list_codg AS med_list_codg, line.hilist_name AS hilist_name,
    line.list_type AS list_type, line.med_chrgitm_type AS med_chrgitm_type, line.cnt AS cnt, line.pric AS pric,
    line.det_item_fee_sumamt AS det_item_fee_sumamt, line.inscp_scp_amt AS inscp_scp_amt, line.prd_days AS prd_days,
    parseDateTimeBestEffortOrNull(line.fee_ocur_time, '${timezone}') AS fee_ocur_time,
    line.bilg_dr_codg AS bilg_dr_codg, line.bilg_dept_codg AS bilg_dept_codg, line.rxno AS rxno,
    line.rx_circ_flag AS rx_circ_flag, line.drug_trac_codg AS drug_trac_codg
FROM settlement_rows FINAL
ARRAY JOIN lines AS line
SETTINGS do_not_merge_across_partitions_select_final = 1;
