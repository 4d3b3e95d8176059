-- The latest documents, each once, with the worst finding that names it as evidence.
-- How far back to look is read from the days and hours, so that a quiet night and a busy noon cost the same.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    (
        SELECT min(busy.day)
        FROM
        (
            SELECT days.day AS day, sum(days.events) AS own, sum(sum(days.events)) OVER (ORDER BY days.day DESC) AS running
            FROM
            (
                SELECT day, events FROM panel_area_days
                WHERE {institution:String} = '' AND day <= latest AND day > latest - INTERVAL 31 DAY
                UNION ALL
                SELECT day, events FROM panel_days
                WHERE {institution:String} != '' AND fixmedins_code = {institution:String} AND day <= latest AND day > latest - INTERVAL 31 DAY
            ) AS days
            GROUP BY days.day
        ) AS busy
        WHERE busy.running - busy.own < 60
    ) AS since_day,
    (
        SELECT min(busy.hour)
        FROM
        (
            SELECT hours.hour AS hour, sum(hours.events) AS own, sum(sum(hours.events)) OVER (ORDER BY hours.hour DESC) AS running
            FROM panel_hours AS hours
            WHERE hours.hour <= latest AND hours.hour >= since_day
                AND ({institution:String} = '' OR hours.fixmedins_code = {institution:String})
            GROUP BY hours.hour
        ) AS busy
        WHERE busy.running - busy.own < 60
    ) AS since,
    documents AS
    (
        SELECT *
        FROM
        (
            SELECT event_id, event_type, setl_time, psn_no, fixmedins_code, fixmedins_name, mdtrtarea_admvs, med_type,
                medfee_sumamt, fund_pay_sumamt, ingested_at
            FROM settlement_rows
            WHERE toStartOfHour(setl_time) >= since AND setl_time < latest + INTERVAL 1 HOUR
                AND ({institution:String} = '' OR fixmedins_code = {institution:String})
            ORDER BY setl_time DESC, event_id
            LIMIT 300
        )
        ORDER BY setl_time DESC, event_id
        LIMIT 1 BY event_id
        LIMIT 60
    ),
    (SELECT groupArray(event_id) FROM documents) AS shown,
    findings AS
    (
        SELECT
            arrayJoin(arrayIntersect(alert.event_ids, shown)) AS event_id,
            argMax(
                (alert.light, alert.detector, alert.alert_id, own_explanation(alert)),
                (indexOf(['green', 'yellow', 'red'], alert.light), alert.score)) AS worst
        FROM alert_revisions AS alert FINAL
        PREWHERE alert.alert_id IN (SELECT alert_id FROM evidence_rows WHERE day >= since_day AND event_id IN shown)
        WHERE NOT alert.shadow AND NOT alert.withdrawn AND hasAny(alert.event_ids, shown)
        GROUP BY event_id
    )
SELECT
    documents.event_id AS event_id,
    documents.setl_time AS setl_time,
    documents.event_type AS event_type,
    mask(documents.psn_no) AS person,
    documents.fixmedins_code AS fixmedins_code,
    documents.fixmedins_name AS fixmedins_name,
    documents.mdtrtarea_admvs AS mdtrtarea_admvs,
    documents.med_type AS med_type,
    if(documents.event_type = 'REVERSE', '退费', care_kind(documents.med_type)) AS kind,
    documents.medfee_sumamt AS medfee_sumamt,
    documents.fund_pay_sumamt AS fund_pay_sumamt,
    findings.worst.1 AS light,
    findings.worst.2 AS detector,
    findings.worst.3 AS alert_id,
    findings.worst.4 AS finding,
    date_diff('second', documents.setl_time, documents.ingested_at) AS delay_seconds
FROM documents
LEFT JOIN findings ON findings.event_id = documents.event_id
ORDER BY documents.setl_time DESC, documents.event_id
