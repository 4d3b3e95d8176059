(
    -- Cells of the chosen period, of the city's districts or of one institution: whole months where they lie in it, else days.
    SELECT month AS at, mdtrtarea_admvs, med_type, settlements, reversals, fee, fund, hifp, examination_fee, treatment_fee, drug_fee,
        prescriptions, inpatient_days, persons
    FROM panel_area_months
    WHERE {institution:String} = '' AND ({district:String} = '' OR mdtrtarea_admvs = {district:String})
        AND month >= spans[1].3 AND month < spans[1].4
    UNION ALL
    SELECT day AS at, mdtrtarea_admvs, med_type, settlements, reversals, fee, fund, hifp, examination_fee, treatment_fee, drug_fee,
        prescriptions, inpatient_days, persons
    FROM panel_area_days
    WHERE {institution:String} = '' AND ({district:String} = '' OR mdtrtarea_admvs = {district:String})
        AND day >= spans[1].1 AND day < spans[1].2 AND NOT (day >= spans[1].3 AND day < spans[1].4)
    UNION ALL
    SELECT month AS at, mdtrtarea_admvs, med_type, settlements, reversals, fee, fund, hifp, examination_fee, treatment_fee, drug_fee,
        prescriptions, inpatient_days, persons
    FROM panel_months
    WHERE {institution:String} != '' AND fixmedins_code = {institution:String} AND ({district:String} = '' OR mdtrtarea_admvs = {district:String})
        AND month >= spans[1].3 AND month < spans[1].4
    UNION ALL
    SELECT day AS at, mdtrtarea_admvs, med_type, settlements, reversals, fee, fund, hifp, examination_fee, treatment_fee, drug_fee,
        prescriptions, inpatient_days, persons
    FROM panel_days
    WHERE {institution:String} != '' AND fixmedins_code = {institution:String} AND ({district:String} = '' OR mdtrtarea_admvs = {district:String})
        AND day >= spans[1].1 AND day < spans[1].2 AND NOT (day >= spans[1].3 AND day < spans[1].4)
)
