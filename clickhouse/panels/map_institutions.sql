-- Institutions that have a place on the map, with 24 hours of traffic and the findings of 30 days.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    traffic AS
    (
        SELECT hours.fixmedins_code AS code, sum(hours.settlements) AS settlements, sum(hours.fund) AS fund
        FROM panel_hours AS hours
        WHERE hours.hour > latest - INTERVAL 24 HOUR AND hours.hour <= latest
        GROUP BY code
    ),
    findings AS
    (
        SELECT arrayJoin(alert.institutions) AS code, count() AS findings,
            max(indexOf(['green', 'yellow', 'red'], alert.light)) AS worst
        FROM alerts AS alert
        WHERE NOT alert.shadow AND alert.raised_at > latest - INTERVAL 30 DAY AND alert.raised_at < latest + INTERVAL 1 HOUR
        GROUP BY code
    )
SELECT
    place.fixmedins_code AS fixmedins_code,
    place.fixmedins_name AS fixmedins_name,
    place.fixmedins_type AS fixmedins_type,
    place.mdtrtarea_admvs AS mdtrtarea_admvs,
    assumeNotNull(place.lat) AS lat,
    assumeNotNull(place.lon) AS lon,
    traffic.settlements AS settlements,
    traffic.fund AS fund,
    findings.findings AS findings,
    ['', 'green', 'yellow', 'red'][findings.worst + 1] AS light,
    if(findings.worst = 3, place.fixmedins_name, '') AS red_name
FROM (SELECT * FROM institutions FINAL) AS place
LEFT JOIN traffic ON traffic.code = place.fixmedins_code
LEFT JOIN findings ON findings.code = place.fixmedins_code
WHERE place.lat IS NOT NULL AND place.lon IS NOT NULL
    AND ({institution:String} = '' OR place.fixmedins_code = {institution:String})
ORDER BY findings.worst DESC, findings.findings DESC, traffic.settlements DESC, place.fixmedins_code
