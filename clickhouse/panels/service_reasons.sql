-- Why the messages of 14 days could not be read, the most frequent reason first; numbers in a reason are left out.
SELECT letter.topic AS topic, letter.field AS field, replaceRegexpAll(letter.reason, '\\d+', '…') AS cause, count() AS letters,
    max(letter.ingested_at) AS last_at
FROM dead_letters AS letter
WHERE letter.ingested_at >= today() - 13
GROUP BY topic, field, cause
ORDER BY letters DESC, topic, field, cause
LIMIT {rows:UInt32}
