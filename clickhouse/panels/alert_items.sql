-- What was dispensed and done: the lines of the document, or of all the evidence where none is named.
SELECT line.hilist_name AS hilist_name, line.med_list_codg AS med_list_codg, uniqExact(event_id) AS documents,
    sum(line.cnt) AS quantity, sum(line.prd_days) AS days, sum(line.det_item_fee_sumamt) AS fee,
    arrayStringConcat(arraySlice(groupUniqArrayArray(20)(line.drug_trac_codg), 1, 3), ' ') AS trace_codes
FROM
(
    SELECT document.event_id AS event_id, lines
    FROM settlement_rows AS document
    WHERE document.event_id IN
        (
            SELECT one.event_id FROM include(alert_documents) AS one
            WHERE {event:String} = '' OR one.event_id = {event:String}
        )
        AND toStartOfHour(document.setl_time) IN (SELECT toStartOfHour(one.setl_time) FROM include(alert_documents) AS one)
        AND ({institution:String} = '' OR document.fixmedins_code = {institution:String})
    LIMIT 1 BY document.event_id
)
ARRAY JOIN lines AS line
GROUP BY hilist_name, med_list_codg
ORDER BY fee DESC, hilist_name
LIMIT 40
