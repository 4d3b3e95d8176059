-- The last 60 minutes in which documents of the last three hours of event time were stored: how many, and how long after settlement.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT minute, documents, per_second, delay_p50, delay_p99
FROM
(
    SELECT
        toStartOfMinute(toDateTime(ingested_at)) AS minute,
        count() AS documents,
        round(documents / 60, 1) AS per_second,
        quantileExact(0.5)(greatest(0, date_diff('second', setl_time, ingested_at))) AS delay_p50,
        quantileExact(0.99)(greatest(0, date_diff('second', setl_time, ingested_at))) AS delay_p99
    FROM settlement_rows
    WHERE toStartOfHour(setl_time) > latest - INTERVAL 3 HOUR AND setl_time < latest + INTERVAL 1 HOUR
    GROUP BY minute
    ORDER BY minute DESC
    LIMIT 60
)
ORDER BY minute
