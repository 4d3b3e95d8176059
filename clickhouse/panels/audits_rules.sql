-- Documents of the last 24 hours that a rule named as evidence, by rule and light, and their share of all judged.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    latest - INTERVAL 23 HOUR AS first,
    (
        SELECT sum(hours.settlements)
        FROM panel_hours AS hours
        WHERE hours.hour >= first AND hours.hour <= latest
            AND ({institution:String} = '' OR hours.fixmedins_code = {institution:String})
    ) AS judged,
    evidence AS
    (
        SELECT alert.detector AS detector, alert.light AS light, arrayJoin(alert.event_ids) AS event_id
        FROM alerts AS alert
        WHERE NOT alert.shadow AND alert.raised_at >= first - INTERVAL 40 DAY
    )
SELECT
    evidence.detector AS detector,
    evidence.light AS light,
    uniqExact(document.event_id) AS documents,
    round(100 * documents / greatest(judged, 1), 3) AS share_percent
FROM settlement_rows AS document FINAL
INNER JOIN evidence ON evidence.event_id = document.event_id
WHERE toStartOfHour(document.setl_time) >= first AND document.setl_time < latest + INTERVAL 1 HOUR
    AND document.event_type = 'SETTLE' AND document.event_id IN (SELECT event_id FROM evidence)
    AND ({institution:String} = '' OR document.fixmedins_code = {institution:String})
GROUP BY detector, light
ORDER BY documents DESC, detector, light
