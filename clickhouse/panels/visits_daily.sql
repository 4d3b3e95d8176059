-- Documents per day and kind of care over 14 days.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT
    toDate(days.day) AS day,
    care_kind(days.med_type) AS kind,
    sum(days.settlements) AS settlements,
    sum(days.fund) AS fund
FROM panel_days AS days
WHERE days.day >= toStartOfDay(latest) - INTERVAL 13 DAY AND days.day <= latest
    AND ({institution:String} = '' OR days.fixmedins_code = {institution:String})
GROUP BY day, kind
ORDER BY day, kind
