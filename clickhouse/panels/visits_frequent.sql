-- Who came most often in the 7 days that end with the latest hour looked at: visits leave out pharmacies and inpatient stays, documents
-- count all; settlements that were taken back do not count.
SELECT
    mask(visitor.psn_no) AS person,
    person_key(visitor.psn_no) AS person_key,
    visitor.visits AS visits,
    visitor.documents AS documents,
    visitor.institutions AS institutions,
    visitor.fund AS fund,
    visitor.last_at AS last_at
FROM panel_visitors AS visitor
WHERE visitor.fixmedins_code = {institution:String}
ORDER BY visitor.place
LIMIT {rows:UInt32}
