-- What the panels have still to take in, step by step: how many marks wait, and for how long the first of them.
SELECT
    ['小时汇总', '日、月与病种汇总', '频繁就诊人员', '事前审核汇总'][step.number + 1] AS title,
    waiting.marks AS marks,
    if(waiting.marks = 0, NULL, date_diff('second', waiting.since, now())) AS waiting_seconds
FROM numbers(4) AS step
LEFT JOIN
(
    SELECT toUInt64(cleared) AS number, count() AS marks, min(marked_at) AS since FROM panel_marks FINAL WHERE cleared < 3 GROUP BY number
    UNION ALL
    SELECT toUInt64(3) AS number, count() AS marks, min(marked_at) AS since FROM panel_audit_marks FINAL WHERE cleared = 0
) AS waiting ON waiting.number = step.number
ORDER BY step.number
