-- An institution's main diagnoses of thirty days by documents.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT days.fixmedins_code AS fixmedins_code, days.disease AS disease, if(days.disease = '', '未填', days.disease) AS disease_name,
    sum(days.settlements) AS settlements, uniqCombined64Merge(14)(days.persons) AS persons, sum(days.fee) AS fee, sum(days.fund) AS fund,
    sum(days.drug_fee) AS drug_fee, sum(days.inpatient_days) AS inpatient_days,
    round(toFloat64(fee) / nullIf(sum(toInt64(days.settlements) - toInt64(days.reversals)), 0), 2) AS average_fee
FROM panel_disease_days AS days
WHERE days.fixmedins_code = {place:String} AND days.day > latest - INTERVAL 30 DAY AND days.day <= latest
    AND ({institution:String} = '' OR days.fixmedins_code = {institution:String})
GROUP BY fixmedins_code, disease
ORDER BY settlements DESC, disease
LIMIT 30
