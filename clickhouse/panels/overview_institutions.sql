-- Institutions by fund money in the period, with the growth of their average fee against as many days before.
WITH
    include(overview_spans) AS spans,
    cells AS
    (
        SELECT fixmedins_code, mdtrtarea_admvs, settlements, reversals, fee, fund, hifp, drug_fee, inpatient_days,
            month >= spans[1].3 AND month < spans[1].4 AS chosen,
            month >= spans[2].3 AND month < spans[2].4 AS before
        FROM panel_months
        WHERE (chosen OR before) AND ({institution:String} = '' OR fixmedins_code = {institution:String})
            AND ({district:String} = '' OR mdtrtarea_admvs = {district:String})
        UNION ALL
        SELECT fixmedins_code, mdtrtarea_admvs, settlements, reversals, fee, fund, hifp, drug_fee, inpatient_days,
            day >= spans[1].1 AND day < spans[1].2 AND NOT (day >= spans[1].3 AND day < spans[1].4) AS chosen,
            day >= spans[2].1 AND day < spans[2].2 AND NOT (day >= spans[2].3 AND day < spans[2].4) AS before
        FROM panel_days
        WHERE (chosen OR before) AND ({institution:String} = '' OR fixmedins_code = {institution:String})
            AND ({district:String} = '' OR mdtrtarea_admvs = {district:String})
    ),
    ranked AS
    (
        SELECT
            cells.fixmedins_code AS code,
            any(cells.mdtrtarea_admvs) AS area,
            sumIf(toInt64(cells.settlements) - toInt64(cells.reversals), cells.chosen) AS documents,
            sumIf(cells.inpatient_days, cells.chosen) AS inpatient_days,
            sumIf(cells.fee, cells.chosen) AS fee,
            sumIf(cells.fund, cells.chosen) AS fund,
            sumIf(cells.hifp, cells.chosen) AS hifp,
            sumIf(cells.drug_fee, cells.chosen) AS drug_fee,
            round(toFloat64(fee) / nullIf(documents, 0), 2) AS average_fee,
            toFloat64(sumIf(cells.fee, cells.before))
                / nullIf(sumIf(toInt64(cells.settlements) - toInt64(cells.reversals), cells.before), 0) AS average_before
        FROM cells
        GROUP BY code
        HAVING countIf(cells.chosen) > 0
        ORDER BY fund DESC, code
        LIMIT {rows:UInt32}
    )
SELECT
    ranked.code AS fixmedins_code,
    if(place.fixmedins_name = '', ranked.code, place.fixmedins_name) AS fixmedins_name,
    ranked.area AS mdtrtarea_admvs,
    ranked.documents AS documents,
    ranked.inpatient_days AS inpatient_days,
    ranked.fee AS fee,
    ranked.fund AS fund,
    ranked.hifp AS hifp,
    round(100 * toFloat64(ranked.drug_fee) / nullIf(toFloat64(ranked.fee), 0), 1) AS drug_share,
    ranked.average_fee AS average_fee,
    round(100 * (ranked.average_fee / nullIf(ranked.average_before, 0) - 1), 1) AS growth
FROM ranked
LEFT JOIN (SELECT fixmedins_code, fixmedins_name FROM institutions FINAL) AS place ON place.fixmedins_code = ranked.code
ORDER BY ranked.fund DESC, ranked.code
SETTINGS optimize_move_to_prewhere_if_final = 1
