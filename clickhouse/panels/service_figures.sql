-- One row: how fresh what is shown is, and what went wrong. Storing is that of the documents of the last three hours of event time.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    (
        SELECT (count(), max(ingested_at), quantileExact(0.5)(greatest(0, date_diff('second', setl_time, ingested_at))))
        FROM settlement_rows
        WHERE toStartOfHour(setl_time) > latest - INTERVAL 3 HOUR AND setl_time < latest + INTERVAL 1 HOUR
    ) AS stored,
    (
        SELECT (sum(asked), sum(undecided), sum(refused), quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(took))
        FROM panel_city_audit_hours
        WHERE hour > now() - INTERVAL 24 HOUR
    ) AS asked
SELECT
    latest AS until,
    stored.1 AS documents,
    if(stored.1 = 0, NULL, stored.3) AS delay_seconds,
    if(stored.1 = 0, NULL, greatest(0, date_diff('second', stored.2, now64(3)))) AS silent_seconds,
    (SELECT count() FROM panel_marks FINAL WHERE cleared < 3) AS marks,
    (SELECT count() FROM dead_letters WHERE ingested_at > now() - INTERVAL 1 DAY) AS dead_letters,
    (SELECT count() FROM dead_letters) AS dead_letters_ever,
    asked.1 AS audits,
    round(100 * asked.2 / nullIf(asked.1, 0), 2) AS undecided_percent,
    asked.3 AS refused,
    if(asked.1 = 0, NULL, round(asked.4[2], 1)) AS took_p95
