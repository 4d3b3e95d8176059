-- A person's twelve months up to the latest hour in one row; documents that were taken back do not count.
SELECT
    mask(document.psn_no) AS person,
    any(document.gend) AS gend,
    max(dateDiff('year', toDate32OrNull(left(document.brdy, 10)), toDate32(document.setl_time))) AS age,
    countIf(care_kind(document.med_type) NOT IN ('药店购药', '住院')) AS visits,
    countIf(care_kind(document.med_type) = '药店购药') AS purchases,
    sum(document.inpatient_days) AS inpatient_days,
    uniqExact(document.fixmedins_code) AS institutions,
    sum(document.prescriptions) AS prescriptions,
    sum(document.medfee_sumamt) AS fee,
    sum(document.fund_pay_sumamt) AS fund,
    sum(document.drug_fee) AS drug_fee,
    max(document.setl_time) AS last_at
FROM include(person_documents) AS document
WHERE NOT document.taken_back
GROUP BY document.psn_no
