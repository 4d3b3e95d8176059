-- Judged documents of the last 24 hours, hour by hour: how many were named in a finding, by their worst light, and how many
-- hospitals asked about beforehand (3101 and 3102).
WITH
    (SELECT hour FROM panel_latest) AS latest,
    latest - INTERVAL 23 HOUR AS first,
    judged AS
    (
        SELECT hours.hour AS hour, sum(hours.settlements) AS documents
        FROM panel_hours AS hours
        WHERE hours.hour >= first AND hours.hour <= latest
            AND ({institution:String} = '' OR hours.fixmedins_code = {institution:String})
        GROUP BY hour
    ),
    evidence AS
    (
        SELECT arrayJoin(alert.event_ids) AS event_id, max(indexOf(['green', 'yellow', 'red'], alert.light)) AS worst
        FROM alerts AS alert
        WHERE NOT alert.shadow AND alert.raised_at >= first - INTERVAL 40 DAY
        GROUP BY event_id
    ),
    found AS
    (
        SELECT toStartOfHour(document.setl_time) AS hour, countIf(evidence.worst = 3) AS red, countIf(evidence.worst = 2) AS yellow,
            countIf(evidence.worst = 1) AS green
        FROM settlement_rows AS document FINAL
        INNER JOIN evidence ON evidence.event_id = document.event_id
        WHERE toStartOfHour(document.setl_time) >= first AND document.setl_time < latest + INTERVAL 1 HOUR
            AND document.event_type = 'SETTLE' AND document.event_id IN (SELECT event_id FROM evidence)
            AND ({institution:String} = '' OR document.fixmedins_code = {institution:String})
        GROUP BY hour
    ),
    asked AS
    (
        SELECT toStartOfHour(toDateTime(audit.asked_at)) AS hour, count() AS asked, countIf(audit.undecided) AS undecided
        FROM audits AS audit
        WHERE audit.infcode = 0 AND audit.asked_at >= first AND audit.asked_at < latest + INTERVAL 1 HOUR
            AND ({institution:String} = '' OR audit.fixmedins_code = {institution:String})
        GROUP BY hour
    )
SELECT
    judged.hour AS hour, judged.documents AS documents, found.red AS red, found.yellow AS yellow, found.green AS green,
    round(100 * (found.red + found.yellow + found.green) / greatest(judged.documents, 1), 2) AS share_percent,
    asked.asked AS asked, asked.undecided AS undecided
FROM judged
LEFT JOIN found ON found.hour = judged.hour
LEFT JOIN asked ON asked.hour = judged.hour
ORDER BY judged.hour
