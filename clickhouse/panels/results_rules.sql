-- Findings of 30 days by rule and light, with the fund money in their evidence.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT alert.family AS family, alert.detector AS detector, alert.light AS light, count() AS findings,
    sum(alert.amount) AS amount, uniqExact(alert.subject_id) AS subjects
FROM alerts AS alert
WHERE NOT alert.shadow AND alert.raised_at > latest - INTERVAL 30 DAY AND alert.raised_at < latest + INTERVAL 1 HOUR
    AND ({institution:String} = '' OR has(alert.institutions, {institution:String}))
GROUP BY family, detector, light
ORDER BY findings DESC, detector, light
