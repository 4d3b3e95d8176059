-- Distinct insured persons and documents per day over 14 days.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT toDate(setl_time) AS day, uniqExact(psn_no) AS persons, count() AS settlements
FROM settlement_rows FINAL
WHERE toStartOfHour(setl_time) >= toStartOfDay(latest) - INTERVAL 13 DAY AND setl_time < latest + INTERVAL 1 HOUR
    AND event_type = 'SETTLE' AND ({institution:String} = '' OR fixmedins_code = {institution:String})
GROUP BY day
ORDER BY day
