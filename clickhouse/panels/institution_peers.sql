-- The institution among its peers of the same type and level, thirty days. Who may see one institution only sees no peers.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    (SELECT (fixmedins_type, hosp_lv) FROM institutions FINAL WHERE fixmedins_code = {place:String}) AS class,
    found AS
    (
        SELECT arrayJoin(finding.institutions) AS code, count() AS findings
        FROM panel_findings AS finding
        WHERE NOT finding.shadow AND finding.raised_at > latest - INTERVAL 30 DAY AND finding.raised_at < latest + INTERVAL 1 HOUR
            AND ({institution:String} = '' OR has(finding.institutions, {institution:String}))
        GROUP BY code
    ),
    traffic AS
    (
        SELECT days.fixmedins_code AS code, sum(days.settlements) AS settlements,
            sum(toInt64(days.settlements) - toInt64(days.reversals)) AS visits, sum(days.fee) AS fee, sum(days.fund) AS fund, sum(days.drug_fee) AS drug_fee
        FROM panel_days AS days
        WHERE days.day > latest - INTERVAL 30 DAY AND days.day <= latest
            AND days.fixmedins_code IN (SELECT fixmedins_code FROM institutions FINAL WHERE (fixmedins_type, hosp_lv) = class)
            AND ({institution:String} = '' OR days.fixmedins_code = {institution:String})
        GROUP BY code
    )
SELECT
    traffic.code AS fixmedins_code,
    if(place.fixmedins_name = '', traffic.code, place.fixmedins_name) AS fixmedins_name,
    if(traffic.code = {place:String}, '本机构', '') AS own,
    traffic.settlements AS settlements,
    traffic.fund AS fund,
    round(toFloat64(traffic.fee) / nullIf(traffic.visits, 0), 2) AS average_fee,
    round(100 * toFloat64(traffic.drug_fee) / greatest(toFloat64(traffic.fee), 0.01), 1) AS drug_percent,
    round(1000 * found.findings / greatest(traffic.settlements, 1), 2) AS findings_per_thousand,
    rank() OVER (ORDER BY average_fee DESC) AS place_by_fee,
    count() OVER () AS peers
FROM traffic
LEFT JOIN found ON found.code = traffic.code
LEFT JOIN (SELECT * FROM institutions FINAL) AS place ON place.fixmedins_code = traffic.code
ORDER BY traffic.code = {place:String} DESC, place_by_fee, traffic.code
LIMIT 30
