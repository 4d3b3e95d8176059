-- 24 hours up to now of questions from hospitals: how many, the share without an answer, messages with a fault, response time in
-- milliseconds. An hour without any is there as well.
WITH toStartOfHour(now()) AS latest
SELECT
    clock.hour AS hour,
    cells.asked AS asked,
    cells.refused AS refused,
    round(100 * cells.undecided / nullIf(cells.asked, 0), 2) AS undecided_percent,
    if(cells.asked = 0, NULL, round(cells.took[1], 1)) AS took_p50,
    if(cells.asked = 0, NULL, round(cells.took[2], 1)) AS took_p95,
    if(cells.asked = 0, NULL, round(cells.took[3], 1)) AS took_p99
FROM (SELECT latest - toIntervalHour(number) AS hour FROM numbers(24)) AS clock
LEFT JOIN
(
    SELECT hour, sum(asked) AS asked, sum(refused) AS refused, sum(undecided) AS undecided,
        quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(took) AS took
    FROM panel_city_audit_hours
    WHERE hour > latest - INTERVAL 24 HOUR
    GROUP BY hour
) AS cells ON cells.hour = clock.hour
ORDER BY hour
