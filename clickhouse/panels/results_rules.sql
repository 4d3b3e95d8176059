-- Findings of 30 days by rule: lights, subjects, the fund money in their evidence, and the share that hospitals bore out when they were
-- shown the same before settlement, of what they answered to: gone back and changed (`upheld`) or gone on with a reason (`contested`).
WITH
    (SELECT hour FROM panel_latest) AS latest,
    answered AS
    (
        SELECT told.rule_id AS rule_id, sum(told.returned) AS upheld, sum(told.continued) AS contested
        FROM panel_audit_rule_hours AS told
        WHERE told.hour > latest - INTERVAL 30 DAY AND ({institution:String} = '' OR told.fixmedins_code = {institution:String})
        GROUP BY rule_id
    )
SELECT
    found.family AS family, found.detector AS detector, found.red AS red, found.yellow AS yellow, found.green AS green,
    found.findings AS findings, found.subjects AS subjects, found.amount AS amount, answered.upheld AS upheld,
    answered.contested AS contested,
    if(upheld + contested > 0, round(100 * upheld / (upheld + contested), 1), NULL) AS upheld_percent
FROM
(
    SELECT
        alert.family AS family, alert.detector AS detector, countIf(alert.light = 'red') AS red, countIf(alert.light = 'yellow') AS yellow,
        countIf(alert.light = 'green') AS green, count() AS findings, uniqExact(alert.subject_id) AS subjects,
        sum(own_amount(alert)) AS amount
    FROM panel_findings AS alert
    WHERE NOT alert.shadow AND alert.raised_at > latest - INTERVAL 30 DAY AND alert.raised_at < latest + INTERVAL 1 HOUR
        AND ({institution:String} = '' OR has(alert.institutions, {institution:String}))
    GROUP BY family, detector
) AS found
LEFT JOIN answered ON answered.rule_id = found.detector
ORDER BY found.findings DESC, found.detector
