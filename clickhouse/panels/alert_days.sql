-- The evidence day by day.
SELECT toStartOfDay(document.setl_time) AS day, count() AS documents, uniqExact(document.fixmedins_code) AS institutions,
    uniqExact(document.psn_no) AS persons, sum(document.fund_pay_sumamt) AS fund
FROM include(alert_documents) AS document
GROUP BY day
ORDER BY day
