-- Rings of agent buying: collectors, terminals, counters of institutions and trace codes that brought cards together in 30 days, with the
-- persons and institutions in their evidence; the place is that of the worst finding. An office is told of its own persons and money only.
-- The long lists of persons and institutions are read for those shown alone.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    (
        SELECT groupArray((ring.subject_type, ring.subject, ring.worst, ring.findings, ring.amount, ring.detectors, ring.last_at, ring.alerts))
        FROM
        (
            SELECT
                toString(alert.subject_type) AS subject_type,
                any(own_subject(alert)) AS subject,
                max((multiIf(alert.light = 'red', 3, alert.light = 'yellow', 2, 1), alert.score, alert.alert_id)) AS worst,
                count() AS findings,
                sum(own_amount(alert)) AS amount,
                groupUniqArray(alert.detector) AS detectors,
                max(alert.raised_at) AS last_at,
                groupArray(alert.alert_id) AS alerts
            FROM panel_findings AS alert
            WHERE NOT alert.shadow AND alert.family = 'agent_buying' AND alert.subject_type != 'person'
                AND alert.raised_at > latest - INTERVAL 30 DAY AND alert.raised_at < latest + INTERVAL 1 HOUR
                AND ({institution:String} = '' OR has(alert.institutions, {institution:String}))
            GROUP BY alert.subject_type, alert.subject_id
            ORDER BY worst DESC
            LIMIT {rows:UInt32}
        ) AS ring
    ) AS rings,
    evidence AS
    (
        SELECT alert_id, argMax((persons, institutions), revision) AS last
        FROM alert_revisions
        WHERE alert_id IN (SELECT arrayJoin(arrayFlatten(rings.8)))
        GROUP BY alert_id
    ),
    gathered AS
    (
        SELECT
            (shown.ring.3).3 AS worst_id,
            uniqExactArray(if({institution:String} = '' OR length((evidence.last).2) = 1, (evidence.last).1, [])) AS persons,
            if({institution:String} = '', uniqExactArray((evidence.last).2), 1) AS institutions,
            if({institution:String} = '', anyIf((evidence.last).2[1], evidence.alert_id = worst_id), {institution:String}) AS home
        FROM (SELECT arrayJoin(rings) AS ring, arrayJoin(ring.8) AS alert_id) AS shown
        INNER JOIN evidence ON evidence.alert_id = shown.alert_id
        GROUP BY worst_id
    )
SELECT
    ring.1 AS subject_type, ring.2 AS subject, (ring.3).3 AS alert_id, ['green', 'yellow', 'red'][(ring.3).1] AS light,
    round((ring.3).2, 3) AS score, ring.4 AS findings, gathered.persons AS persons, gathered.institutions AS institutions,
    ring.5 AS amount, arraySort(ring.6) AS detectors, gathered.home AS fixmedins_code,
    if(place.fixmedins_name = '', gathered.home, place.fixmedins_name) AS fixmedins_name, ring.7 AS last_at
FROM (SELECT arrayJoin(rings) AS ring) AS shown
INNER JOIN gathered ON gathered.worst_id = (shown.ring.3).3
LEFT JOIN (SELECT fixmedins_code, fixmedins_name FROM institutions FINAL) AS place ON place.fixmedins_code = gathered.home
ORDER BY (ring.3).1 DESC, score DESC, amount DESC, alert_id
