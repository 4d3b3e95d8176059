-- Institutions by fund money of 30 days (today and the 29 before), with average fee and findings per thousand documents.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    traffic AS
    (
        SELECT days.fixmedins_code AS code, any(days.mdtrtarea_admvs) AS area, sum(days.settlements) AS settlements,
            sum(days.reversals) AS reversals, sum(days.fee) AS fee, sum(days.fund) AS fund
        FROM panel_days AS days
        WHERE days.day > latest - INTERVAL 30 DAY AND days.day <= latest
            AND ({institution:String} = '' OR days.fixmedins_code = {institution:String})
        GROUP BY code
    ),
    found AS
    (
        SELECT arrayJoin(alert.institutions) AS code, count() AS findings, countIf(alert.light = 'red') AS red
        FROM alerts AS alert
        WHERE NOT alert.shadow AND alert.raised_at > latest - INTERVAL 30 DAY AND alert.raised_at < latest + INTERVAL 1 HOUR
        GROUP BY code
    )
SELECT
    traffic.code AS fixmedins_code,
    if(place.fixmedins_name = '', traffic.code, place.fixmedins_name) AS fixmedins_name,
    place.fixmedins_type AS fixmedins_type,
    traffic.area AS mdtrtarea_admvs,
    traffic.settlements AS settlements,
    traffic.fund AS fund,
    traffic.fee AS fee,
    round(toFloat64(traffic.fee) / greatest(traffic.settlements, 1), 2) AS average_fee,
    found.findings AS findings,
    found.red AS red,
    round(1000 * found.findings / greatest(traffic.settlements, 1), 2) AS findings_per_thousand
FROM traffic
LEFT JOIN found ON found.code = traffic.code
LEFT JOIN (SELECT * FROM institutions FINAL) AS place ON place.fixmedins_code = traffic.code
ORDER BY traffic.fund DESC, traffic.code
LIMIT {rows:UInt32}
