-- Findings of each of 30 days by light, with the fund money in their evidence.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    toStartOfDay(latest) - INTERVAL 29 DAY AS first,
    found AS
    (
        SELECT toStartOfDay(alert.raised_at) AS day, countIf(alert.light = 'red') AS red, countIf(alert.light = 'yellow') AS yellow,
            countIf(alert.light = 'green') AS green, sum(own_amount(alert)) AS amount
        FROM panel_findings AS alert
        WHERE NOT alert.shadow AND alert.raised_at >= first AND alert.raised_at < latest + INTERVAL 1 HOUR
            AND ({institution:String} = '' OR has(alert.institutions, {institution:String}))
        GROUP BY day
    )
SELECT
    first + toIntervalDay(span.number) AS day, found.red AS red, found.yellow AS yellow, found.green AS green,
    found.red + found.yellow + found.green AS findings, found.amount AS amount
FROM numbers(30) AS span
LEFT JOIN found ON found.day = first + toIntervalDay(span.number)
WHERE toUnixTimestamp(latest) > 0
ORDER BY day
