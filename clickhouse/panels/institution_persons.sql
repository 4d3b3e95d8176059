-- Persons of an institution with the most fund money in thirty days, all of them or those with one main diagnosis.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT mask(document.psn_no) AS person, person_key(document.psn_no) AS person_key, count() AS documents,
    uniqExact(toDate(document.setl_time)) AS days, sum(document.inpatient_days) AS inpatient_days, sum(document.medfee_sumamt) AS fee,
    sum(document.fund_pay_sumamt) AS fund, sum(document.drug_fee) AS drug_fee, max(document.setl_time) AS last_at
FROM settlement_rows AS document FINAL
WHERE document.fixmedins_code = {place:String} AND toStartOfHour(document.setl_time) > latest - INTERVAL 30 DAY
    AND document.setl_time < latest + INTERVAL 1 HOUR AND document.event_type = 'SETTLE'
    AND ({disease:String} = '' OR document.disease = {disease:String})
    AND ({institution:String} = '' OR document.fixmedins_code = {institution:String})
GROUP BY document.psn_no
ORDER BY fund DESC, documents DESC, document.psn_no
LIMIT 60
SETTINGS do_not_merge_across_partitions_select_final = 1
