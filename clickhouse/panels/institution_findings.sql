-- The latest findings that touch an institution, thirty days.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT finding.raised_at AS raised_at, finding.light AS light, finding.detector AS detector, finding.subject_type AS subject_type,
    own_subject(finding) AS subject, round(finding.score, 3) AS score, own_amount(finding) AS amount,
    if({institution:String} = '', length(finding.institutions), 1) AS institutions, finding.alert_id AS alert_id
FROM panel_findings AS finding
WHERE has(finding.institutions, {place:String}) AND NOT finding.shadow AND finding.raised_at > latest - INTERVAL 30 DAY
    AND finding.raised_at < latest + INTERVAL 1 HOUR
    -- with whom it shares a finding is for nobody else to learn
    AND ({institution:String} = '' OR {place:String} = {institution:String})
ORDER BY indexOf(['red', 'yellow', 'green'], finding.light), finding.score DESC, finding.raised_at DESC, finding.alert_id
LIMIT 60
