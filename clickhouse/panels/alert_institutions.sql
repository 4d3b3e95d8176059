-- Where the evidence comes from, and its money.
SELECT document.fixmedins_code AS fixmedins_code, any(document.fixmedins_name) AS fixmedins_name,
    any(document.mdtrtarea_admvs) AS mdtrtarea_admvs, count() AS documents, uniqExact(document.psn_no) AS persons,
    sum(document.medfee_sumamt) AS fee, sum(document.fund_pay_sumamt) AS fund,
    min(document.setl_time) AS first_at, max(document.setl_time) AS last_at
FROM include(alert_documents) AS document
GROUP BY fixmedins_code
ORDER BY fund DESC, fixmedins_code
