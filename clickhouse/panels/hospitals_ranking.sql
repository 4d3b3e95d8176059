-- Hospitals by fund money of 30 days (today and the 29 before), outpatient and inpatient care apart. Growth is that of the average fee
-- in percent, against the 30 days before (`growth`) and against the same days of last year (`growth_year`). Peers are the hospitals of
-- the same type and level with such care; `over_peers` is how far the average fee lies above their median, in percent, where there
-- are at least three. Shares are percent of the total fee.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    toStartOfDay(latest) - INTERVAL 29 DAY AS first,
    traffic AS
    (
        SELECT
            cell.fixmedins_code AS code,
            any(cell.mdtrtarea_admvs) AS area,
            multiIf(cell.day >= first, 'now', cell.day >= first - INTERVAL 30 DAY, 'before', 'year') AS period,
            startsWith(cell.med_type, '2') AS stay,
            sum(cell.settlements) AS settlements,
            toFloat64(sum(cell.fee)) AS fee,
            fee / nullIf(greatest(sum(toInt64(cell.settlements) - toInt64(cell.reversals)), 0), 0) AS average,
            sum(cell.fund) AS fund,
            sum(cell.examination_fee) AS examination_fee,
            sum(cell.treatment_fee) AS treatment_fee,
            sum(cell.drug_fee) AS drug_fee,
            sum(cell.inpatient_days) AS days
        FROM panel_days AS cell
        WHERE (startsWith(cell.med_type, '1') OR startsWith(cell.med_type, '2'))
            AND (cell.day >= first - INTERVAL 30 DAY AND cell.day <= latest
                OR cell.day >= first - INTERVAL 1 YEAR AND cell.day <= latest - INTERVAL 1 YEAR)
            AND ({institution:String} = '' OR cell.fixmedins_code = {institution:String})
        GROUP BY code, period, stay
    ),
    hospitals AS
    (
        SELECT
            traffic.code AS code,
            any(traffic.area) AS area,
            any(place.fixmedins_name) AS name,
            any(place.fixmedins_type) AS type,
            any(place.hosp_lv) AS level,
            sumIf(traffic.settlements, period = 'now') AS settlements,
            sumIf(traffic.fee, period = 'now') AS fee,
            sumIf(traffic.fund, period = 'now') AS fund,
            sumIf(traffic.settlements, period = 'now' AND NOT stay) AS outpatients,
            sumIf(traffic.settlements, period = 'now' AND stay) AS inpatients,
            sumIf(traffic.days, period = 'now') AS inpatient_days,
            anyIf(traffic.average, period = 'now' AND NOT stay) AS outpatient_average,
            anyIf(traffic.average, period = 'before' AND NOT stay) AS outpatient_before,
            anyIf(traffic.average, period = 'year' AND NOT stay) AS outpatient_year,
            anyIf(traffic.average, period = 'now' AND stay) AS inpatient_average,
            anyIf(traffic.average, period = 'before' AND stay) AS inpatient_before,
            anyIf(traffic.average, period = 'year' AND stay) AS inpatient_year,
            100 * toFloat64(sumIf(traffic.examination_fee, period = 'now')) / nullIf(fee, 0) AS examination_share,
            100 * toFloat64(sumIf(traffic.treatment_fee, period = 'now')) / nullIf(fee, 0) AS treatment_share,
            100 * toFloat64(sumIf(traffic.drug_fee, period = 'now')) / nullIf(fee, 0) AS drug_share
        FROM traffic
        LEFT JOIN (SELECT * FROM institutions FINAL) AS place ON place.fixmedins_code = traffic.code
        WHERE place.fixmedins_type != '2'
        GROUP BY code
        HAVING settlements > 0
    ),
    found AS
    (
        SELECT arrayJoin(finding.institutions) AS code, count() AS findings, countIf(finding.light = 'red') AS red
        FROM panel_findings AS finding
        WHERE NOT finding.shadow AND finding.raised_at >= first AND finding.raised_at < latest + INTERVAL 1 HOUR
            AND ({institution:String} = '' OR has(finding.institutions, {institution:String}))
        GROUP BY code
    )
SELECT
    hospitals.code AS fixmedins_code,
    if(hospitals.name = '', hospitals.code, hospitals.name) AS fixmedins_name,
    hospitals.level AS hosp_lv,
    hospitals.area AS mdtrtarea_admvs,
    hospitals.settlements AS settlements,
    toDecimal64(hospitals.fee, 2) AS fee,
    hospitals.fund AS fund,
    hospitals.outpatients AS outpatients,
    round(hospitals.outpatient_average, 2) AS outpatient_average,
    round(100 * (outpatient_average / nullIf(outpatient_before, 0) - 1), 1) AS outpatient_growth,
    round(100 * (outpatient_average / nullIf(outpatient_year, 0) - 1), 1) AS outpatient_growth_year,
    if(count(outpatient_average) OVER peers >= 3,
        round(100 * (outpatient_average / nullIf(median(outpatient_average) OVER peers, 0) - 1), 1), NULL) AS outpatient_over_peers,
    hospitals.inpatients AS inpatients,
    round(hospitals.inpatient_average, 2) AS inpatient_average,
    round(100 * (inpatient_average / nullIf(inpatient_before, 0) - 1), 1) AS inpatient_growth,
    round(100 * (inpatient_average / nullIf(inpatient_year, 0) - 1), 1) AS inpatient_growth_year,
    if(count(inpatient_average) OVER peers >= 3,
        round(100 * (inpatient_average / nullIf(median(inpatient_average) OVER peers, 0) - 1), 1), NULL) AS inpatient_over_peers,
    hospitals.inpatient_days AS inpatient_days,
    round(inpatient_days / nullIf(inpatients, 0), 1) AS stay_days,
    round(hospitals.examination_share, 1) AS examination_share,
    round(hospitals.treatment_share, 1) AS treatment_share,
    round(hospitals.drug_share, 1) AS drug_share,
    found.findings AS findings,
    found.red AS red,
    round(1000 * found.findings / hospitals.settlements, 2) AS findings_per_thousand
FROM hospitals
LEFT JOIN found ON found.code = hospitals.code
WINDOW peers AS (PARTITION BY hospitals.type, hospitals.level)
ORDER BY hospitals.fund DESC, hospitals.code
LIMIT {rows:UInt32}
