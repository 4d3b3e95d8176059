-- The institutions to choose from, and their names; the first stands for all.
SELECT place.1 AS value, place.2 AS text
FROM
(
    SELECT ('', '全部机构') AS place
    UNION ALL
    SELECT (fixmedins_code, concat(fixmedins_name, ' ', fixmedins_code)) FROM institutions FINAL
)
ORDER BY value != '', text
