-- Outpatient and inpatient care of 30 days (today and the 29 before), a row each: what it came to, how documents and the average fee
-- grew in percent (against the 30 days before, and with `_year` against the same days of last year), shares in percent of the fee.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    toStartOfDay(latest) - INTERVAL 29 DAY AS first,
    cells AS
    (
        SELECT cell.day AS day, cell.med_type AS med_type, cell.settlements AS settlements, cell.reversals AS reversals, cell.fee AS fee,
            cell.fund AS fund, cell.examination_fee AS examination_fee, cell.treatment_fee AS treatment_fee, cell.drug_fee AS drug_fee,
            cell.inpatient_days AS days
        FROM panel_area_days AS cell
        WHERE {institution:String} = '' AND (cell.day >= first - INTERVAL 30 DAY AND cell.day <= latest
            OR cell.day >= first - INTERVAL 1 YEAR AND cell.day <= latest - INTERVAL 1 YEAR)
        UNION ALL
        SELECT cell.day, cell.med_type, cell.settlements, cell.reversals, cell.fee, cell.fund, cell.examination_fee, cell.treatment_fee,
            cell.drug_fee, cell.inpatient_days
        FROM panel_days AS cell
        WHERE {institution:String} != '' AND cell.fixmedins_code = {institution:String}
            AND (cell.day >= first - INTERVAL 30 DAY AND cell.day <= latest
                OR cell.day >= first - INTERVAL 1 YEAR AND cell.day <= latest - INTERVAL 1 YEAR)
    ),
    treated AS
    (
        SELECT who.stay AS stay, uniqCombined64Merge(14)(who.persons) AS persons
        FROM
        (
            SELECT startsWith(cell.med_type, '2') AS stay, cell.persons AS persons
            FROM panel_area_days AS cell
            WHERE {institution:String} = '' AND cell.day >= first AND cell.day <= latest
                AND (startsWith(cell.med_type, '1') OR startsWith(cell.med_type, '2'))
            UNION ALL
            SELECT startsWith(cell.med_type, '2'), cell.persons
            FROM panel_days AS cell
            WHERE {institution:String} != '' AND cell.fixmedins_code = {institution:String} AND cell.day >= first AND cell.day <= latest
                AND (startsWith(cell.med_type, '1') OR startsWith(cell.med_type, '2'))
        ) AS who
        GROUP BY stay
    ),
    spans AS
    (
        SELECT startsWith(cells.med_type, '2') AS stay,
            multiIf(cells.day >= first, 'now', cells.day >= first - INTERVAL 30 DAY, 'before', 'year') AS span,
            sum(cells.settlements) AS settlements, sum(toInt64(cells.settlements) - toInt64(cells.reversals)) AS visits,
            toFloat64(sum(cells.fee)) AS fee, sum(cells.fund) AS fund, sum(cells.days) AS days,
            toFloat64(sum(cells.examination_fee)) AS examination_fee, toFloat64(sum(cells.treatment_fee)) AS treatment_fee,
            toFloat64(sum(cells.drug_fee)) AS drug_fee
        FROM cells
        WHERE startsWith(cells.med_type, '1') OR startsWith(cells.med_type, '2')
        GROUP BY stay, span
    ),
    care AS
    (
        SELECT
            spans.stay AS stay,
            sumIf(spans.settlements, span = 'now') AS documents,
            nullIf(sumIf(spans.settlements, span = 'before'), 0) AS documents_before,
            nullIf(sumIf(spans.settlements, span = 'year'), 0) AS documents_year,
            sumIf(spans.fee, span = 'now') AS total,
            sumIf(spans.fund, span = 'now') AS fund_now,
            sumIf(spans.days, span = 'now') AS days_now,
            total / nullIf(greatest(sumIf(spans.visits, span = 'now'), 0), 0) AS average,
            nullIf(sumIf(spans.fee, span = 'before') / nullIf(greatest(sumIf(spans.visits, span = 'before'), 0), 0), 0) AS average_before,
            nullIf(sumIf(spans.fee, span = 'year') / nullIf(greatest(sumIf(spans.visits, span = 'year'), 0), 0), 0) AS average_year,
            sumIf(spans.examination_fee, span = 'now') / nullIf(total, 0) AS examination,
            sumIf(spans.treatment_fee, span = 'now') / nullIf(total, 0) AS treatment,
            sumIf(spans.drug_fee, span = 'now') / nullIf(total, 0) AS drugs
        FROM spans
        GROUP BY stay
    )
SELECT
    if(care.stay, '住院', '门诊') AS care,
    care.documents AS settlements,
    treated.persons AS persons,
    toDecimal64(care.total, 2) AS fee,
    care.fund_now AS fund,
    care.days_now AS inpatient_days,
    if(care.stay, round(care.days_now / nullIf(care.documents, 0), 1), NULL) AS stay_days,
    round(care.average, 2) AS average_fee,
    round(100 * (care.documents / care.documents_before - 1), 1) AS settlements_growth,
    round(100 * (care.documents / care.documents_year - 1), 1) AS settlements_growth_year,
    round(100 * (care.average / care.average_before - 1), 1) AS average_growth,
    round(100 * (care.average / care.average_year - 1), 1) AS average_growth_year,
    round(100 * care.examination, 1) AS examination_share,
    round(100 * care.treatment, 1) AS treatment_share,
    round(100 * care.drugs, 1) AS drug_share
FROM care
LEFT JOIN treated ON treated.stay = care.stay
WHERE care.documents > 0
ORDER BY care.stay
