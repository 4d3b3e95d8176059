-- Documents of each kind of care and distinct insured persons per day over 14 days, a row per day; the city from its districts' days,
-- an institution from its own.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    toStartOfDay(latest) - INTERVAL 13 DAY AS first,
    cells AS
    (
        SELECT day, care_kind(med_type) AS kind, settlements, persons FROM panel_area_days
        WHERE {institution:String} = '' AND day >= first AND day <= latest
        UNION ALL
        SELECT day, care_kind(med_type) AS kind, settlements, persons FROM panel_days
        WHERE {institution:String} != '' AND fixmedins_code = {institution:String} AND day >= first AND day <= latest
    )
SELECT
    toDate(cells.day) AS day,
    sum(cells.settlements) AS settlements,
    uniqCombined64Merge(14)(cells.persons) AS persons,
    sumIf(cells.settlements, cells.kind = '普通门诊') AS outpatient,
    sumIf(cells.settlements, cells.kind = '慢特病门诊') AS chronic,
    sumIf(cells.settlements, cells.kind = '急诊') AS emergency,
    sumIf(cells.settlements, cells.kind = '住院') AS inpatient,
    sumIf(cells.settlements, cells.kind = '药店购药') AS pharmacy,
    sumIf(cells.settlements, cells.kind = '其他') AS other
FROM cells
GROUP BY day
ORDER BY day
SETTINGS optimize_move_to_prewhere_if_final = 1
