-- Twelve months up to the latest: documents, fund money, findings by light.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    toStartOfMonth(latest) - INTERVAL 11 MONTH AS first,
    traffic AS
    (
        SELECT toStartOfMonth(days.day) AS month, sum(days.settlements) AS settlements, sum(days.reversals) AS reversals,
            sum(days.fee) AS fee, sum(days.fund) AS fund
        FROM panel_days AS days
        WHERE days.day >= toDateTime(first) AND days.day <= latest
            AND ({institution:String} = '' OR days.fixmedins_code = {institution:String})
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
