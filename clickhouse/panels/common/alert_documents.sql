(
    SELECT *
    FROM
    (
        SELECT event_id, event_type, setl_id, setl_time, psn_no, fixmedins_code, fixmedins_name, mdtrtarea_admvs, med_type, dev_no,
            agnter_certno, agnter_rlts, disease, medfee_sumamt, fund_pay_sumamt
        FROM settlement_rows
        WHERE toStartOfHour(setl_time) >= (SELECT toStartOfHour(window_from) FROM alert_revisions FINAL WHERE alert_id = {alert:String})
            AND setl_time <= (SELECT window_to FROM alert_revisions FINAL WHERE alert_id = {alert:String})
            AND event_id IN (SELECT arrayJoin(event_ids) FROM alerts WHERE alert_id = {alert:String})
            AND ({institution:String} = '' OR fixmedins_code = {institution:String})
        UNION ALL
        SELECT event_id, event_type, setl_id, setl_time, psn_no, fixmedins_code, fixmedins_name, mdtrtarea_admvs, med_type, dev_no,
            agnter_certno, agnter_rlts, disease, medfee_sumamt, fund_pay_sumamt
        FROM settlement_rows
        WHERE {event:String} != '' AND event_id = {event:String}
            AND ({institution:String} = '' OR fixmedins_code = {institution:String})
    )
    LIMIT 1 BY event_id
)
