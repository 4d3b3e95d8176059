-- Findings of twelve months that have the person as subject or in their evidence.
WITH person_of({person:String}) AS who, (SELECT hour FROM panel_latest) AS latest
SELECT finding.raised_at AS raised_at, finding.light AS light, finding.detector AS detector, finding.subject_type AS subject_type,
    own_subject(finding) AS subject, own_explanation(finding) AS explanation, own_amount(finding) AS amount, finding.alert_id AS alert_id
FROM alerts AS finding
WHERE who != '' AND (finding.subject_id = who OR has(finding.persons, who)) AND NOT finding.shadow
    AND finding.raised_at > latest - INTERVAL 12 MONTH AND finding.raised_at < latest + INTERVAL 1 HOUR
    AND ({institution:String} = '' OR has(finding.institutions, {institution:String}))
    -- of a finding that others share an office learns nothing of persons it never saw
    AND ({institution:String} = '' OR length(finding.institutions) = 1
        OR hasAny(finding.event_ids, (SELECT groupArray(own.event_id) FROM include(person_documents) AS own)))
ORDER BY finding.raised_at DESC, finding.alert_id
LIMIT 50
