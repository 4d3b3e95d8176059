-- An institution's thirty days by kind of care (`med_type`), with every measure supervisors ask for.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    toStartOfDay(latest) - INTERVAL 29 DAY AS first
SELECT
    care_kind(days.med_type) AS kind,
    sumIf(days.settlements, days.day >= first) AS settlements,
    uniqCombined64MergeIf(14)(days.persons, days.day >= first) AS persons,
    sumIf(days.prescriptions, days.day >= first) AS prescriptions,
    sumIf(days.inpatient_days, days.day >= first) AS inpatient_days,
    sumIf(days.fee, days.day >= first) AS fee,
    sumIf(days.hifp, days.day >= first) AS hifp,
    sumIf(days.examination_fee, days.day >= first) AS examination_fee,
    sumIf(days.drug_fee, days.day >= first) AS drug_fee,
    sumIf(days.treatment_fee, days.day >= first) AS treatment_fee,
    round(toFloat64(fee) / nullIf(sumIf(toInt64(days.settlements) - toInt64(days.reversals), days.day >= first), 0), 2) AS average_fee,
    round(toFloat64(sumIf(days.fee, days.day < first))
        / nullIf(sumIf(toInt64(days.settlements) - toInt64(days.reversals), days.day < first), 0), 2) AS average_before,
    round(100 * (average_fee / nullIf(average_before, 0) - 1), 1) AS growth_percent
FROM panel_days AS days
WHERE days.fixmedins_code = {place:String} AND days.day >= first - INTERVAL 30 DAY AND days.day <= latest
    AND ({institution:String} = '' OR days.fixmedins_code = {institution:String})
GROUP BY kind
ORDER BY fee DESC, kind
