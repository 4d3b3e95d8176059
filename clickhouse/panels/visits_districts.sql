-- Documents, persons and fund money per district over 7 days.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT
    mdtrtarea_admvs,
    countIf(event_type = 'SETTLE') AS settlements,
    uniqExactIf(psn_no, event_type = 'SETTLE') AS persons,
    sum(if(event_type = 'REVERSE', -abs(fund_pay_sumamt), fund_pay_sumamt)) AS fund
FROM settlement_rows FINAL
WHERE toStartOfHour(setl_time) > latest - INTERVAL 7 DAY AND setl_time < latest + INTERVAL 1 HOUR
    AND ({institution:String} = '' OR fixmedins_code = {institution:String})
GROUP BY mdtrtarea_admvs
ORDER BY settlements DESC, mdtrtarea_admvs
