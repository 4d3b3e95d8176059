-- Who came most often in 7 days: visits leave out pharmacies and inpatient stays, documents count all; settlements that were
-- taken back do not count.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    latest - INTERVAL 7 DAY AS first,
    reversed AS
    (
        SELECT orig_setl_id
        FROM settlement_rows
        WHERE toStartOfHour(setl_time) > first AND setl_time < latest + INTERVAL 1 HOUR AND event_type = 'REVERSE'
    )
SELECT
    mask(psn_no) AS person,
    countIf(care_kind(med_type) NOT IN ('药店购药', '住院')) AS visits,
    count() AS documents,
    uniqExact(fixmedins_code) AS institutions,
    sum(fund_pay_sumamt) AS fund,
    max(setl_time) AS last_at
FROM settlement_rows FINAL
WHERE toStartOfHour(setl_time) > first AND setl_time < latest + INTERVAL 1 HOUR AND event_type = 'SETTLE'
    AND setl_id NOT IN (SELECT orig_setl_id FROM reversed)
    AND ({institution:String} = '' OR fixmedins_code = {institution:String})
GROUP BY psn_no
ORDER BY visits DESC, documents DESC, psn_no
LIMIT {rows:UInt32}
