-- Main diagnoses of the chosen institution in the period, by fund money; none without an institution.
WITH include(overview_spans) AS spans
SELECT
    cells.disease AS disease,
    if(cells.disease = '', '未填', cells.disease) AS disease_name,
    toInt64(sum(cells.settlements)) - toInt64(sum(cells.reversals)) AS documents,
    uniqCombined64Merge(14)(cells.persons) AS persons,
    sum(cells.inpatient_days) AS inpatient_days,
    sum(cells.fee) AS fee,
    sum(cells.fund) AS fund,
    sum(cells.drug_fee) AS drug_fee,
    round(toFloat64(fee) / nullIf(documents, 0), 2) AS average_fee
FROM panel_disease_days AS cells
WHERE cells.fixmedins_code = {institution:String} AND cells.day >= spans[1].1 AND cells.day < spans[1].2
GROUP BY disease
ORDER BY fund DESC, disease
LIMIT {rows:UInt32}
SETTINGS optimize_move_to_prewhere_if_final = 1
