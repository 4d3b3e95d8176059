-- The data's own today against the same hours of the day before, the findings of 30 days that stand, and how far behind their
-- event time the documents of the last hours were stored.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    toStartOfDay(latest) AS today,
    (
        SELECT (countIf(alert.light = 'red'), countIf(alert.light = 'yellow'), countIf(alert.light = 'green'))
        FROM alerts AS alert
        WHERE NOT alert.shadow AND alert.raised_at > latest - INTERVAL 30 DAY AND alert.raised_at < latest + INTERVAL 1 HOUR
            AND ({institution:String} = '' OR has(alert.institutions, {institution:String}))
    ) AS lights,
    (
        SELECT (count() > 0, max(document.ingested_at), quantileExact(0.5)(date_diff('second', document.setl_time, document.ingested_at)))
        FROM settlement_rows AS document
        WHERE toStartOfHour(document.setl_time) >= latest - INTERVAL 1 HOUR AND document.setl_time < latest + INTERVAL 1 HOUR
            AND ({institution:String} = '' OR document.fixmedins_code = {institution:String})
    ) AS arrival
SELECT
    latest AS until,
    sumIf(hours.settlements, hours.hour >= today) AS settlements,
    sumIf(hours.reversals, hours.hour >= today) AS reversals,
    sumIf(hours.fund, hours.hour >= today) AS fund,
    sumIf(hours.settlements, hours.hour < today AND hours.hour <= latest - INTERVAL 1 DAY) AS settlements_before,
    sumIf(hours.fund, hours.hour < today AND hours.hour <= latest - INTERVAL 1 DAY) AS fund_before,
    lights.1 AS red,
    lights.2 AS yellow,
    lights.3 AS green,
    if(arrival.1, toNullable(arrival.2), NULL) AS stored_at,
    if(arrival.1, toNullable(arrival.3), NULL) AS delay_seconds
FROM panel_hours AS hours
WHERE hours.hour >= today - INTERVAL 1 DAY AND hours.hour <= latest
    AND ({institution:String} = '' OR hours.fixmedins_code = {institution:String})
