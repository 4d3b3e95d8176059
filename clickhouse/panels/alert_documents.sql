-- The documents a finding rests on, or one document, oldest first.
SELECT
    document.setl_time AS setl_time,
    document.event_id AS event_id,
    document.event_type AS event_type,
    if(document.event_type = 'REVERSE', '退费', care_kind(document.med_type)) AS kind,
    mask(document.psn_no) AS person,
    person_key(document.psn_no) AS person_key,
    document.fixmedins_code AS fixmedins_code,
    document.fixmedins_name AS fixmedins_name,
    document.dev_no AS dev_no,
    if(document.agnter_certno = '', '', mask(document.agnter_certno)) AS collector,
    document.agnter_rlts AS agnter_rlts,
    document.disease AS disease,
    document.medfee_sumamt AS medfee_sumamt,
    document.fund_pay_sumamt AS fund_pay_sumamt,
    {alert:String} AS alert_id,
    if(document.setl_id IN
        (
            SELECT back.orig_setl_id FROM settlement_rows AS back
            WHERE back.event_type = 'REVERSE'
                AND toStartOfHour(back.setl_time) >= (SELECT min(toStartOfHour(one.setl_time)) FROM include(alert_documents) AS one)
                AND back.setl_time < (SELECT max(one.setl_time) FROM include(alert_documents) AS one) + INTERVAL 31 DAY
                AND back.orig_setl_id != '' AND ({institution:String} = '' OR back.fixmedins_code = {institution:String})
        ), '已退费', '') AS state
FROM include(alert_documents) AS document
ORDER BY document.setl_time, document.event_id
