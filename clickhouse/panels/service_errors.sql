-- 14 days up to today of what could not be read, by where it came from. A day without any is there as well.
SELECT
    clock.day AS day,
    countIf(letter.topic LIKE '%settlements') AS settlements,
    countIf(letter.topic LIKE '%audit.requests') AS audits,
    countIf(letter.topic != '' AND letter.topic NOT LIKE '%settlements' AND letter.topic NOT LIKE '%audit.requests') AS others
FROM (SELECT today() - number AS day FROM numbers(14)) AS clock
LEFT JOIN (SELECT topic, toDate(ingested_at) AS day FROM dead_letters WHERE ingested_at >= today() - 13) AS letter ON letter.day = clock.day
GROUP BY day
ORDER BY day
