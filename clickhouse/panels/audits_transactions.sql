-- The three transactions (3101, 3102, 3103) in the last 24 hours: messages, how they ended, and how long the answers took (milliseconds).
WITH
    greatest((SELECT hour FROM panel_latest), (SELECT max(city.hour) FROM panel_city_audit_hourly AS city)) AS latest,
    latest - INTERVAL 23 HOUR AS first,
    cells AS
    (
        SELECT infno, asked, passed, warned, changed, undecided, refused, took
        FROM panel_city_audit_hours
        WHERE {institution:String} = '' AND hour >= first
        UNION ALL
        SELECT infno, asked, passed, warned, changed, undecided, refused, took
        FROM panel_audit_hours
        WHERE {institution:String} != '' AND fixmedins_code = {institution:String} AND hour >= first
    ),
    audited AS
    (
        SELECT
            cells.infno AS infno, sum(cells.asked) AS asked, sum(cells.passed) AS passed, sum(cells.warned) AS warned,
            sum(cells.changed) AS changed, sum(cells.undecided) AS undecided, sum(cells.refused) AS refused,
            quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(cells.took) AS took
        FROM cells
        GROUP BY infno
    )
SELECT
    kind.infno AS infno, audited.asked AS asked, audited.passed AS passed, audited.warned AS warned, audited.changed AS changed,
    audited.undecided AS undecided, audited.refused AS refused,
    if(asked > 0, round(audited.took[1], 1), NULL) AS median_ms, if(asked > 0, round(audited.took[3], 1), NULL) AS p99_ms
FROM (SELECT arrayJoin(['3101', '3102', '3103']) AS infno) AS kind
LEFT JOIN audited ON audited.infno = kind.infno
WHERE toUnixTimestamp(latest) > 0
ORDER BY infno
