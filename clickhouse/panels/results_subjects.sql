-- Persons, and whatever else is no ring of agent buying, with the most serious findings of 30 days; persons masked.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT
    gathered.subject_type AS subject_type, gathered.subject AS subject, gathered.worst.3 AS alert_id,
    ['green', 'yellow', 'red'][gathered.worst.1] AS light, round(gathered.worst.2, 3) AS score, gathered.findings AS findings,
    gathered.amount AS amount, arraySort(gathered.detectors) AS detectors, gathered.last_at AS last_at
FROM
(
    SELECT
        alert.subject_type AS subject_type,
        any(own_subject(alert)) AS subject,
        max((multiIf(alert.light = 'red', 3, alert.light = 'yellow', 2, 1), alert.score, alert.alert_id)) AS worst,
        count() AS findings,
        sum(own_amount(alert)) AS amount,
        groupUniqArray(alert.detector) AS detectors,
        max(alert.raised_at) AS last_at
    FROM panel_findings AS alert
    WHERE NOT alert.shadow AND NOT (alert.family = 'agent_buying' AND alert.subject_type != 'person')
        AND alert.raised_at > latest - INTERVAL 30 DAY AND alert.raised_at < latest + INTERVAL 1 HOUR
        AND ({institution:String} = '' OR has(alert.institutions, {institution:String}))
    GROUP BY alert.subject_type, alert.subject_id
    ORDER BY worst DESC
    LIMIT {rows:UInt32}
) AS gathered
ORDER BY gathered.worst.1 DESC, score DESC, amount DESC, alert_id
