-- The findings of 30 days in one row, and how many there were in the 30 days before. A document in several findings counts in the money of each.
WITH (SELECT hour FROM panel_latest) AS latest, latest - INTERVAL 30 DAY AS since
SELECT
    latest AS until,
    countIf(alert.raised_at > since) AS findings,
    countIf(alert.raised_at <= since) AS findings_before,
    countIf(alert.raised_at > since AND alert.light = 'red') AS red,
    countIf(alert.raised_at > since AND alert.light = 'yellow') AS yellow,
    countIf(alert.raised_at > since AND alert.light = 'green') AS green,
    countIf(alert.raised_at > since AND alert.family = 'agent_buying') AS agent_buying,
    countIf(alert.raised_at > since AND alert.family = 'frequent_visits') AS frequent_visits,
    sumIf(own_amount(alert), alert.raised_at > since) AS amount,
    uniqExactIf((alert.subject_type, alert.subject_id), alert.raised_at > since) AS subjects,
    uniqExactIf((alert.subject_type, alert.subject_id), alert.raised_at > since AND alert.family = 'agent_buying'
        AND alert.subject_type != 'person') AS rings
FROM panel_findings AS alert
WHERE NOT alert.shadow AND alert.raised_at > since - INTERVAL 30 DAY AND alert.raised_at < latest + INTERVAL 1 HOUR
    AND ({institution:String} = '' OR has(alert.institutions, {institution:String}))
