-- An institution's thirty days (today and the 29 before) against the thirty before, in one row.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    toStartOfDay(latest) - INTERVAL 29 DAY AS first,
    (
        SELECT (count(), countIf(finding.light = 'red'), sum(own_amount(finding)))
        FROM panel_findings AS finding
        WHERE has(finding.institutions, {place:String}) AND NOT finding.shadow AND finding.raised_at >= first
            AND finding.raised_at < latest + INTERVAL 1 HOUR AND ({institution:String} = '' OR {place:String} = {institution:String})
    ) AS found
SELECT
    days.fixmedins_code AS fixmedins_code,
    any(if(place.fixmedins_name = '', days.fixmedins_code, place.fixmedins_name)) AS fixmedins_name,
    sumIf(days.settlements, days.day >= first) AS settlements,
    uniqCombined64MergeIf(14)(days.persons, days.day >= first) AS persons,
    sumIf(days.fee, days.day >= first) AS fee,
    sumIf(days.fund, days.day >= first) AS fund,
    sumIf(days.hifp, days.day >= first) AS hifp,
    round(toFloat64(fee) / nullIf(sumIf(toInt64(days.settlements) - toInt64(days.reversals), days.day >= first), 0), 2) AS average_fee,
    round(toFloat64(sumIf(days.fee, days.day < first))
        / nullIf(sumIf(toInt64(days.settlements) - toInt64(days.reversals), days.day < first), 0), 2) AS average_before,
    round(100 * (average_fee / nullIf(average_before, 0) - 1), 1) AS growth_percent,
    round(100 * toFloat64(sumIf(days.drug_fee, days.day >= first)) / greatest(toFloat64(fee), 0.01), 1) AS drug_percent,
    sumIf(days.inpatient_days, days.day >= first) AS inpatient_days,
    sumIf(days.prescriptions, days.day >= first) AS prescriptions,
    found.1 AS findings,
    found.2 AS red,
    found.3 AS amount,
    round(1000 * found.1 / greatest(settlements, 1), 2) AS findings_per_thousand
FROM panel_days AS days
LEFT JOIN (SELECT * FROM institutions FINAL) AS place ON place.fixmedins_code = days.fixmedins_code
WHERE days.fixmedins_code = {place:String} AND days.day >= first - INTERVAL 30 DAY AND days.day <= latest
    AND ({institution:String} = '' OR days.fixmedins_code = {institution:String})
GROUP BY days.fixmedins_code
