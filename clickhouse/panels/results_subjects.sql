-- Subjects with the most serious findings of 30 days; persons and collectors masked.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT
    alert.subject_type AS subject_type,
    if(alert.subject_type IN ('person', 'agent'), mask(alert.subject_id), alert.subject_id) AS subject,
    count() AS findings,
    ['green', 'yellow', 'red'][max(indexOf(['green', 'yellow', 'red'], alert.light))] AS light,
    round(max(alert.score), 3) AS score,
    sum(alert.amount) AS amount,
    groupUniqArray(alert.detector) AS detectors,
    max(alert.raised_at) AS last_at
FROM alerts AS alert
WHERE NOT alert.shadow AND alert.raised_at > latest - INTERVAL 30 DAY AND alert.raised_at < latest + INTERVAL 1 HOUR
    AND ({institution:String} = '' OR has(alert.institutions, {institution:String}))
GROUP BY alert.subject_type, alert.subject_id
ORDER BY max(indexOf(['green', 'yellow', 'red'], alert.light)) DESC, score DESC, amount DESC, alert.subject_id
LIMIT {rows:UInt32}
