-- Audits of the last 24 hours, hour by hour: by transaction, how they ended, how long the answers took (milliseconds), and the
-- documents judged at settlement beside them. They end at the last hour of either.
WITH
    greatest((SELECT hour FROM panel_latest), (SELECT max(city.hour) FROM panel_city_audit_hourly AS city)) AS latest,
    latest - INTERVAL 23 HOUR AS first,
    cells AS
    (
        SELECT hour, infno, asked, passed, warned, changed, undecided, refused, took
        FROM panel_city_audit_hours
        WHERE {institution:String} = '' AND hour >= first
        UNION ALL
        SELECT hour, infno, asked, passed, warned, changed, undecided, refused, took
        FROM panel_audit_hours
        WHERE {institution:String} != '' AND fixmedins_code = {institution:String} AND hour >= first
    ),
    audited AS
    (
        SELECT
            cells.hour AS hour, sumIf(cells.asked, cells.infno = '3101') AS before_care, sumIf(cells.asked, cells.infno = '3102') AS in_care,
            sumIf(cells.asked, cells.infno = '3103') AS answers, sum(cells.passed) AS passed, sum(cells.warned) AS warned,
            sum(cells.changed) AS changed, sum(cells.undecided) AS undecided, sum(cells.refused) AS refused,
            quantilesDDMergeIf(0.01, 0.5, 0.95, 0.99)(cells.took, cells.infno != '3103') AS took
        FROM cells
        GROUP BY hour
    ),
    settled AS
    (
        SELECT hours.hour AS hour, sum(hours.settlements) AS documents
        FROM panel_hours AS hours
        WHERE hours.hour >= first AND hours.hour <= latest
            AND ({institution:String} = '' OR hours.fixmedins_code = {institution:String})
        GROUP BY hour
    )
SELECT
    first + toIntervalHour(span.number) AS hour,
    audited.before_care AS before_care, audited.in_care AS in_care, audited.before_care + audited.in_care AS asked,
    audited.answers AS answers, audited.passed AS passed, audited.warned AS warned, audited.changed AS changed,
    audited.undecided AS undecided, audited.refused AS refused,
    if(asked > 0, round(audited.took[1], 1), NULL) AS median_ms, if(asked > 0, round(audited.took[3], 1), NULL) AS p99_ms,
    settled.documents AS documents
FROM numbers(24) AS span
LEFT JOIN audited ON audited.hour = first + toIntervalHour(span.number)
LEFT JOIN settled ON settled.hour = first + toIntervalHour(span.number)
WHERE toUnixTimestamp(latest) > 0
ORDER BY hour
