-- Documents per day and kind of care over 14 days.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT
    toDate(hours.hour) AS day,
    care_kind(hours.med_type) AS kind,
    sum(hours.settlements) AS settlements,
    sum(hours.fund) AS fund
FROM panel_hours AS hours
WHERE hours.hour >= toStartOfDay(latest) - INTERVAL 13 DAY AND hours.hour <= latest
    AND ({institution:String} = '' OR hours.fixmedins_code = {institution:String})
GROUP BY day, kind
ORDER BY day, kind
