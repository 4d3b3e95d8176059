(
    -- Days to compare with: as many as the period has before it, and the same a year ago.
    SELECT mdtrtarea_admvs, med_type, toFloat64(fee) AS fee, toInt64(settlements) - toInt64(reversals) AS documents,
        day >= spans[2].1 AND day < spans[2].2 AS before, day >= spans[3].1 AND day < spans[3].2 AS year_before
    FROM panel_area_days
    WHERE {institution:String} = '' AND ({district:String} = '' OR mdtrtarea_admvs = {district:String})
        AND (before OR year_before)
    UNION ALL
    SELECT mdtrtarea_admvs, med_type, toFloat64(fee) AS fee, toInt64(settlements) - toInt64(reversals) AS documents,
        day >= spans[2].1 AND day < spans[2].2 AS before, day >= spans[3].1 AND day < spans[3].2 AS year_before
    FROM panel_days
    WHERE {institution:String} != '' AND fixmedins_code = {institution:String} AND ({district:String} = '' OR mdtrtarea_admvs = {district:String})
        AND (before OR year_before)
)
