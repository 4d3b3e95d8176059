(
    SELECT *, setl_id IN
        (
            SELECT orig_setl_id FROM settlement_rows
            WHERE psn_no = person_of({person:String}) AND event_type = 'REVERSE' AND setl_time >= (SELECT hour FROM panel_latest) - INTERVAL 12 MONTH
        ) AS taken_back
    FROM
    (
        SELECT event_id, setl_id, setl_time, psn_no, gend, brdy, fixmedins_code, fixmedins_name, med_type, disease, agnter_certno,
            agnter_rlts, medfee_sumamt, fund_pay_sumamt, drug_fee, prescriptions, inpatient_days, lines
        FROM settlement_rows
        WHERE psn_no = person_of({person:String}) AND psn_no != '' AND event_type = 'SETTLE'
            AND toStartOfHour(setl_time) >= (SELECT hour FROM panel_latest) - INTERVAL 12 MONTH
            AND setl_time < (SELECT hour FROM panel_latest) + INTERVAL 1 HOUR
            AND ({institution:String} = '' OR fixmedins_code = {institution:String})
    )
    LIMIT 1 BY event_id
)
