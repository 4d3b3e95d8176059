-- The latest documents of a person.
SELECT document.setl_time AS setl_time, document.event_id AS event_id, care_kind(document.med_type) AS kind,
    document.fixmedins_code AS fixmedins_code, document.fixmedins_name AS fixmedins_name, document.disease AS disease,
    if(document.agnter_certno = '', '', mask(document.agnter_certno)) AS collector,
    document.medfee_sumamt AS medfee_sumamt, document.fund_pay_sumamt AS fund_pay_sumamt,
    if(document.taken_back, '已退费', '') AS state
FROM include(person_documents) AS document
ORDER BY document.setl_time DESC, document.event_id
LIMIT 100
