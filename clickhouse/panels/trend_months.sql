-- Twelve months up to the latest: documents, fund money, findings by light.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    toStartOfMonth(latest) - INTERVAL 11 MONTH AS first,
    traffic AS
    (
        SELECT toStartOfMonth(hours.hour) AS month, sum(hours.settlements) AS settlements, sum(hours.reversals) AS reversals,
            sum(hours.fee) AS fee, sum(hours.fund) AS fund
        FROM panel_hours AS hours
        WHERE hours.hour >= toDateTime(first) AND hours.hour <= latest
            AND ({institution:String} = '' OR hours.fixmedins_code = {institution:String})
        GROUP BY month
    ),
    found AS
    (
        SELECT toStartOfMonth(alert.raised_at) AS month, count() AS findings, countIf(alert.light = 'red') AS red,
            countIf(alert.light = 'yellow') AS yellow, countIf(alert.light = 'green') AS green,
            countIf(alert.family = 'agent_buying') AS agent_buying, countIf(alert.family = 'frequent_visits') AS frequent_visits
        FROM alerts AS alert
        WHERE NOT alert.shadow AND alert.raised_at >= toDateTime(first) AND alert.raised_at < latest + INTERVAL 1 HOUR
            AND ({institution:String} = '' OR has(alert.institutions, {institution:String}))
        GROUP BY month
    )
SELECT
    traffic.month AS month, traffic.settlements AS settlements, traffic.reversals AS reversals, traffic.fee AS fee,
    traffic.fund AS fund, found.findings AS findings, found.red AS red, found.yellow AS yellow, found.green AS green,
    found.agent_buying AS agent_buying, found.frequent_visits AS frequent_visits
FROM traffic
LEFT JOIN found ON found.month = traffic.month
ORDER BY traffic.month
