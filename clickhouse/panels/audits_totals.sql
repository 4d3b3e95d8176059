-- The audits (3101 and 3102) of the last 24 hours in one row: how they ended in percent, how long the answers took (milliseconds), what
-- hospitals answered to what they were shown, the 24 hours before, and the documents judged at settlement.
WITH
    greatest((SELECT hour FROM panel_latest), (SELECT max(city.hour) FROM panel_city_audit_hourly AS city)) AS latest,
    latest - INTERVAL 23 HOUR AS first,
    cells AS
    (
        SELECT hour, infno, asked, passed, warned, continued, changed, undecided, refused, took
        FROM panel_city_audit_hours
        WHERE {institution:String} = '' AND hour >= first - INTERVAL 24 HOUR
        UNION ALL
        SELECT hour, infno, asked, passed, warned, continued, changed, undecided, refused, took
        FROM panel_audit_hours
        WHERE {institution:String} != '' AND fixmedins_code = {institution:String} AND hour >= first - INTERVAL 24 HOUR
    ),
    (
        SELECT sum(hours.settlements)
        FROM panel_hours AS hours
        WHERE hours.hour >= first AND hours.hour <= latest
            AND ({institution:String} = '' OR hours.fixmedins_code = {institution:String})
    ) AS settled
SELECT
    latest AS until,
    sumIf(cells.asked, cells.infno != '3103' AND cells.hour >= first) AS asked,
    sumIf(cells.asked, cells.infno != '3103' AND cells.hour < first) AS asked_before,
    sumIf(cells.asked, cells.infno = '3103' AND cells.hour >= first) AS answers,
    if(asked > 0, round(100 * sumIf(cells.passed, cells.hour >= first) / asked, 1), NULL) AS passed_percent,
    if(asked > 0, round(100 * sumIf(cells.warned, cells.hour >= first) / asked, 1), NULL) AS warned_percent,
    if(asked > 0, round(100 * sumIf(cells.changed, cells.hour >= first) / asked, 1), NULL) AS changed_percent,
    if(asked > 0, round(100 * sumIf(cells.undecided, cells.hour >= first) / asked, 2), NULL) AS undecided_percent,
    sumIf(cells.continued, cells.hour >= first) AS continued,
    sumIf(cells.refused, cells.hour >= first) AS refused,
    arrayMap(one -> if(asked > 0, round(one, 1), NULL), quantilesDDMergeIf(0.01, 0.5, 0.95, 0.99)(cells.took,
        cells.infno != '3103' AND cells.hour >= first)) AS took_ms,
    took_ms[1] AS median_ms,
    took_ms[3] AS p99_ms,
    settled AS documents
FROM cells
