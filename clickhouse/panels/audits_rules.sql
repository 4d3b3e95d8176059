-- By rule in the last 24 hours: what hospitals were shown before they settled and what they did about it, and what was found at settlement.
WITH
    greatest((SELECT hour FROM panel_latest), (SELECT max(city.hour) FROM panel_city_audit_hourly AS city)) AS latest,
    latest - INTERVAL 23 HOUR AS first
SELECT
    rule.detector AS detector, sum(rule.shown) AS shown, sum(rule.red) AS red, sum(rule.yellow) AS yellow,
    sum(rule.explained) AS explained, sum(rule.continued) AS continued, sum(rule.returned) AS returned,
    if(continued + returned > 0, round(100 * returned / (continued + returned), 1), NULL) AS returned_percent,
    sum(rule.amount) AS amount, sum(rule.found) AS found
FROM
(
    SELECT
        toString(told.rule_id) AS detector, told.findings AS shown, told.red AS red, told.yellow AS yellow, told.explained AS explained,
        told.continued AS continued, told.returned AS returned, told.amount AS amount, 0 AS found
    FROM panel_audit_rule_hours AS told
    WHERE told.hour >= first AND ({institution:String} = '' OR told.fixmedins_code = {institution:String})
    UNION ALL
    SELECT toString(alert.detector), 0, 0, 0, 0, 0, 0, 0, count()
    FROM panel_findings AS alert
    WHERE NOT alert.shadow AND alert.raised_at >= first AND alert.raised_at < latest + INTERVAL 1 HOUR
        AND ({institution:String} = '' OR has(alert.institutions, {institution:String}))
    GROUP BY alert.detector
) AS rule
GROUP BY detector
ORDER BY shown DESC, found DESC, detector
