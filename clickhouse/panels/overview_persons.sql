-- Persons with the most fund money at the chosen institution, all of them or those with one main diagnosis, in the last 31 days of the
-- period that have data; none without an institution. Repeats of a document are told by its id, which is quicker than FINAL.
WITH
    include(overview_spans) AS spans,
    (SELECT least(hour + INTERVAL 1 HOUR, spans[1].2) FROM panel_latest) AS after,
    greatest(spans[1].1, toStartOfDay(after - INTERVAL 1 SECOND) - INTERVAL 30 DAY) AS first,
    documents AS
    (
        SELECT event_id, event_type, psn_no, setl_time, medfee_sumamt, fund_pay_sumamt, inpatient_days
        FROM settlement_rows
        WHERE fixmedins_code = {institution:String} AND toStartOfHour(setl_time) >= first AND setl_time < after
            AND ({disease:String} = '' OR disease = {disease:String})
        LIMIT 1 BY event_id
    )
SELECT
    mask(document.psn_no) AS person,
    person_key(document.psn_no) AS person_key,
    countIf(document.event_type = 'SETTLE') AS documents,
    uniqExactIf(toDate(document.setl_time), document.event_type = 'SETTLE') AS days,
    sum(if(document.event_type = 'REVERSE', -1, 1) * toInt64(document.inpatient_days)) AS inpatient_days,
    sum(if(document.event_type = 'REVERSE', -abs(document.medfee_sumamt), document.medfee_sumamt)) AS fee,
    sum(if(document.event_type = 'REVERSE', -abs(document.fund_pay_sumamt), document.fund_pay_sumamt)) AS fund,
    max(document.setl_time) AS last_at
FROM documents AS document
GROUP BY document.psn_no
ORDER BY fund DESC, documents DESC, document.psn_no
LIMIT {rows:UInt32}
