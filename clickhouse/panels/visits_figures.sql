-- Seven days (today and the six before) in one row: documents by kind of care, persons, prescriptions, inpatient days, and the average
-- fee of a document, in percent above that of the seven days before.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    toStartOfDay(latest) - INTERVAL 6 DAY AS first,
    first - INTERVAL 7 DAY AS before,
    cells AS
    (
        SELECT day >= first AS current, care_kind(med_type) AS kind, settlements, reversals, prescriptions, inpatient_days, fee, persons
        FROM panel_area_days
        WHERE {institution:String} = '' AND day >= before AND day <= latest
        UNION ALL
        SELECT day >= first AS current, care_kind(med_type) AS kind, settlements, reversals, prescriptions, inpatient_days, fee, persons
        FROM panel_days
        WHERE {institution:String} != '' AND fixmedins_code = {institution:String} AND day >= before AND day <= latest
    )
SELECT
    sumIf(cells.settlements, cells.current) AS settlements,
    uniqCombined64MergeIf(14)(cells.persons, cells.current) AS persons,
    sumIf(cells.settlements, cells.current AND cells.kind = '普通门诊') AS outpatient,
    sumIf(cells.settlements, cells.current AND cells.kind = '慢特病门诊') AS chronic,
    sumIf(cells.settlements, cells.current AND cells.kind = '住院') AS inpatient,
    sumIf(cells.settlements, cells.current AND cells.kind = '药店购药') AS pharmacy,
    sumIf(cells.prescriptions, cells.current) AS prescriptions,
    sumIf(cells.inpatient_days, cells.current) AS inpatient_days,
    round(toFloat64(sumIf(cells.fee, cells.current))
        / nullIf(sumIf(toInt64(cells.settlements) - toInt64(cells.reversals), cells.current), 0), 2) AS average_fee,
    toFloat64(sumIf(cells.fee, NOT cells.current))
        / nullIf(sumIf(toInt64(cells.settlements) - toInt64(cells.reversals), NOT cells.current), 0) AS average_fee_before,
    round(100 * (average_fee / nullIf(average_fee_before, 0) - 1), 1) AS average_fee_growth
FROM cells
SETTINGS optimize_move_to_prewhere_if_final = 1
