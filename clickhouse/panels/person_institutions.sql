-- Where a person went in twelve months.
SELECT document.fixmedins_code AS fixmedins_code, any(document.fixmedins_name) AS fixmedins_name, count() AS documents,
    uniqExact(toDate(document.setl_time)) AS days, sum(document.fund_pay_sumamt) AS fund, max(document.setl_time) AS last_at
FROM include(person_documents) AS document
WHERE NOT document.taken_back
GROUP BY fixmedins_code
ORDER BY documents DESC, fixmedins_code
LIMIT 40
