-- Findings of 30 days by day and light.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT toDate(alert.raised_at) AS day, alert.light AS light, count() AS findings, sum(alert.amount) AS amount
FROM alerts AS alert
WHERE NOT alert.shadow AND alert.raised_at > latest - INTERVAL 30 DAY AND alert.raised_at < latest + INTERVAL 1 HOUR
    AND ({institution:String} = '' OR has(alert.institutions, {institution:String}))
GROUP BY day, light
ORDER BY day, light
