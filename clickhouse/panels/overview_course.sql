-- The measures of the period day by day, or month by month if it is longer than 62 days.
WITH
    include(overview_spans) AS spans,
    cells AS include(overview_cells)
SELECT
    if(dateDiff('day', spans[1].1, spans[1].2) <= 62, cells.at, cells.at - toIntervalDay(toDayOfMonth(cells.at) - 1)) AS start,
    if(dateDiff('day', spans[1].1, spans[1].2) <= 62, formatDateTime(start, '%m-%d'), formatDateTime(start, '%Y-%m')) AS step,
    sum(cells.settlements) AS settlements,
    sum(cells.reversals) AS reversals,
    sumIf(toInt64(cells.settlements) - toInt64(cells.reversals), care_kind(cells.med_type) != '药店购药') AS visits,
    uniqCombined64Merge(14)(cells.persons) AS persons,
    sum(cells.prescriptions) AS prescriptions,
    sum(cells.inpatient_days) AS inpatient_days,
    sum(cells.fee) AS fee,
    sum(cells.fund) AS fund,
    sum(cells.hifp) AS hifp,
    sum(cells.examination_fee) AS examination_fee,
    sum(cells.drug_fee) AS drug_fee,
    sum(cells.treatment_fee) AS treatment_fee,
    round(toFloat64(fee) / nullIf(toInt64(settlements) - toInt64(reversals), 0), 2) AS average_fee
FROM cells
GROUP BY start
ORDER BY start
SETTINGS optimize_move_to_prewhere_if_final = 1
