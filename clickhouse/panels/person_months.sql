-- Twelve months of a person by kind of care.
SELECT toDateTime(toStartOfMonth(document.setl_time)) AS month,
    countIf(care_kind(document.med_type) NOT IN ('药店购药', '住院')) AS visits,
    countIf(care_kind(document.med_type) = '药店购药') AS purchases,
    countIf(care_kind(document.med_type) = '住院') AS stays,
    sum(document.fund_pay_sumamt) AS fund
FROM include(person_documents) AS document
WHERE NOT document.taken_back
GROUP BY month
ORDER BY month
