-- The districts to choose from; the first stands for all.
SELECT area.1 AS value, area.2 AS text
FROM
(
    SELECT ('', '全部统筹区') AS area
    UNION ALL
    SELECT DISTINCT (mdtrtarea_admvs, mdtrtarea_admvs) FROM institutions FINAL WHERE mdtrtarea_admvs != ''
)
ORDER BY value
