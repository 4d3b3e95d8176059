-- Drugs of a person in the last half year: how much, for how many days, from where.
SELECT line.hilist_name AS hilist_name, line.med_list_codg AS med_list_codg, uniqExact(document.event_id) AS documents,
    uniqExact(document.fixmedins_code) AS institutions, sum(line.cnt) AS quantity, sum(line.prd_days) AS days,
    sum(line.det_item_fee_sumamt) AS fee, max(document.setl_time) AS last_at
FROM include(person_documents) AS document
ARRAY JOIN document.lines AS line
WHERE NOT document.taken_back AND line.med_chrgitm_type IN ('09', '10', '11')
    AND document.setl_time >= (SELECT hour FROM panel_latest) - INTERVAL 180 DAY
GROUP BY hilist_name, med_list_codg
ORDER BY days DESC, fee DESC, hilist_name
LIMIT 40
