-- What else was found of the same subject in the ninety days around.
WITH
    (
        SELECT (subject_type, subject_id, raised_at) FROM alerts
        WHERE alert_id = {alert:String} AND ({institution:String} = '' OR has(alerts.institutions, {institution:String}))
    ) AS asked
SELECT other.raised_at AS raised_at, other.light AS light, other.detector AS detector, own_subject(other) AS subject,
    round(other.score, 3) AS score, own_amount(other) AS amount, if({institution:String} = '', length(other.institutions), 1) AS institutions,
    other.alert_id AS alert_id
FROM panel_findings AS other
WHERE (other.subject_type, other.subject_id) = (asked.1, asked.2) AND NOT other.shadow
    AND other.raised_at > asked.3 - INTERVAL 90 DAY AND other.raised_at < asked.3 + INTERVAL 90 DAY
    AND ({institution:String} = '' OR has(other.institutions, {institution:String}))
ORDER BY other.raised_at, other.alert_id
LIMIT 100
