-- One finding as it stands. Whoever may see one institution only sees its own part of a finding that others share.
SELECT
    finding.light AS light,
    finding.detector AS detector,
    finding.family AS family,
    finding.subject_type AS subject_type,
    own_subject(finding) AS subject,
    if(finding.subject_type = 'person', person_key(finding.subject_id), '') AS person_key,
    own_explanation(finding) AS explanation,
    own_features(finding) AS features,
    round(finding.score, 3) AS score,
    finding.raised_at AS raised_at,
    finding.window_from AS window_from,
    finding.window_to AS window_to,
    concat(finding.rule_id, ' 第 ', toString(finding.rule_version), ' 版') AS rule,
    finding.revision AS revision,
    finding.shadow AS shadow,
    if({institution:String} = '' OR length(finding.institutions) = 1, finding.amount, part.fund) AS amount,
    if({institution:String} = '', length(finding.event_ids), part.documents) AS documents,
    if({institution:String} = '', length(finding.persons), part.persons) AS persons,
    if({institution:String} = '', length(finding.institutions), 1) AS institutions
FROM alerts AS finding
CROSS JOIN
(
    SELECT sum(document.fund_pay_sumamt) AS fund, count() AS documents, uniqExact(document.psn_no) AS persons
    FROM include(alert_documents) AS document
    WHERE {institution:String} != ''
) AS part
WHERE finding.alert_id = {alert:String} AND ({institution:String} = '' OR has(finding.institutions, {institution:String}))
