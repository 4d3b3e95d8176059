-- The measures of the period by district, and how the average fee grew.
WITH
    include(overview_spans) AS spans,
    cells AS include(overview_cells),
    past AS include(overview_past),
    earlier AS
    (
        SELECT past.mdtrtarea_admvs AS key, sumIf(past.fee, past.before) / nullIf(sumIf(past.documents, past.before), 0) AS average_before,
            sumIf(past.fee, past.year_before) / nullIf(sumIf(past.documents, past.year_before), 0) AS average_year_before
        FROM past
        GROUP BY key
    ),
    measured AS
    (
        SELECT
            cells.mdtrtarea_admvs AS key,
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
        GROUP BY key
    )
SELECT
    measured.* EXCEPT key,
    measured.key AS mdtrtarea_admvs,
    round(100 * (measured.average_fee / nullIf(earlier.average_before, 0) - 1), 1) AS growth,
    round(100 * (measured.average_fee / nullIf(earlier.average_year_before, 0) - 1), 1) AS year_growth
FROM measured
LEFT JOIN earlier ON earlier.key = measured.key
ORDER BY measured.fund DESC, measured.key
SETTINGS optimize_move_to_prewhere_if_final = 1
