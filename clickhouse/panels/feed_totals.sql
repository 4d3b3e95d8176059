-- The last 24 hours in three numbers.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT
    latest AS until,
    sum(hours.settlements) AS settlements,
    sum(hours.reversals) AS reversals,
    sum(hours.fund) AS fund
FROM panel_hours AS hours
WHERE hours.hour > latest - INTERVAL 24 HOUR AND hours.hour <= latest
    AND ({institution:String} = '' OR hours.fixmedins_code = {institution:String})
