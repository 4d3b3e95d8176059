-- Twelve months up to the latest, each beside the same month of the year before; the running month up to the same day then as now.
-- `year_*` are all twelve months together, `year_*_growth` against the year before in percent; the same in every row.
-- Violations are red and yellow findings, `red_fund` is the fund money in the evidence of the red ones (to an office: of those on
-- its own documents alone). `saved` is the money of warnings after which a hospital changed its bill: where it did so for only some of
-- an hour and rule, their share of the amount; a bill that two rules warn of counts for each.
WITH
    (SELECT hour FROM panel_latest) AS latest,
    latest - INTERVAL 1 YEAR AS latest_before,
    toStartOfDay(toStartOfMonth(latest)) AS running,
    running - INTERVAL 1 YEAR AS running_before,
    running - INTERVAL 11 MONTH AS first,
    first - INTERVAL 1 YEAR AS first_before,
    cells AS
    (
        SELECT cell.day AS at, cell.settlements AS settlements, cell.reversals AS reversals, cell.fee AS fee, cell.fund AS fund
        FROM panel_area_days AS cell
        WHERE {institution:String} = '' AND cell.day >= first_before AND cell.day <= latest
            AND (cell.day >= first OR cell.day <= latest_before)
        UNION ALL
        SELECT cell.month, cell.settlements, cell.reversals, cell.fee, cell.fund
        FROM panel_months AS cell
        WHERE {institution:String} != '' AND cell.fixmedins_code = {institution:String}
            AND cell.month >= first_before AND cell.month <= latest AND cell.month != running_before
        UNION ALL
        SELECT cell.day, cell.settlements, cell.reversals, cell.fee, cell.fund
        FROM panel_days AS cell
        WHERE {institution:String} != '' AND cell.fixmedins_code = {institution:String}
            AND cell.day >= running_before AND cell.day <= latest_before
    ),
    found AS
    (
        SELECT finding.raised_at AS at, finding.light AS light,
            own_amount(finding) AS amount
        FROM panel_findings AS finding
        WHERE NOT finding.shadow AND finding.raised_at >= first_before AND finding.raised_at < latest + INTERVAL 1 HOUR
            AND (finding.raised_at >= first OR finding.raised_at < latest_before + INTERVAL 1 HOUR)
            AND ({institution:String} = '' OR has(finding.institutions, {institution:String}))
    ),
    answered AS
    (
        SELECT cell.hour AS at, cell.returned AS returned,
            toDecimal64(toFloat64(cell.amount) * cell.returned / greatest(cell.findings, 1), 2) AS saved
        FROM panel_audit_rule_hours AS cell
        WHERE cell.returned > 0 AND cell.hour >= first_before AND cell.hour <= latest AND (cell.hour >= first OR cell.hour <= latest_before)
            AND ({institution:String} = '' OR cell.fixmedins_code = {institution:String})
    ),
    traffic AS
    (
        SELECT toStartOfMonth(if(cells.at < first, cells.at + INTERVAL 1 YEAR, cells.at)) AS month,
            sumIf(cells.settlements, cells.at >= first) AS settlements, sumIf(cells.settlements, cells.at < first) AS settlements_before,
            sumIf(cells.reversals, cells.at >= first) AS reversals, sumIf(cells.fee, cells.at >= first) AS fee,
            sumIf(cells.fund, cells.at >= first) AS fund, sumIf(cells.fund, cells.at < first) AS fund_before
        FROM cells
        GROUP BY month
    ),
    judged AS
    (
        SELECT toStartOfMonth(if(found.at < first, found.at + INTERVAL 1 YEAR, found.at)) AS month,
            countIf(found.at >= first AND found.light = 'red') AS red, countIf(found.at >= first AND found.light = 'yellow') AS yellow,
            countIf(found.at >= first AND found.light = 'green') AS green,
            countIf(found.at < first AND found.light != 'green') AS violations_before,
            sumIf(found.amount, found.at >= first AND found.light = 'red') AS red_fund,
            sumIf(found.amount, found.at < first AND found.light = 'red') AS red_fund_before
        FROM found
        GROUP BY month
    ),
    kept AS
    (
        SELECT toStartOfMonth(if(answered.at < first, answered.at + INTERVAL 1 YEAR, answered.at)) AS month,
            sumIf(answered.returned, answered.at >= first) AS returned, sumIf(answered.saved, answered.at >= first) AS saved,
            sumIf(answered.saved, answered.at < first) AS saved_before
        FROM answered
        GROUP BY month
    )
SELECT
    traffic.month AS month,
    traffic.settlements AS settlements,
    traffic.settlements_before AS settlements_before,
    traffic.reversals AS reversals,
    traffic.fee AS fee,
    traffic.fund AS fund,
    traffic.fund_before AS fund_before,
    judged.red + judged.yellow + judged.green AS findings,
    judged.red + judged.yellow AS violations,
    judged.violations_before AS violations_before,
    judged.red AS red,
    judged.yellow AS yellow,
    judged.green AS green,
    judged.red_fund AS red_fund,
    judged.red_fund_before AS red_fund_before,
    kept.returned AS returned,
    kept.saved AS saved,
    kept.saved_before AS saved_before,
    sum(settlements) OVER () AS year_settlements,
    round(100 * (toFloat64(year_settlements) / nullIf(toFloat64(sum(settlements_before) OVER ()), 0) - 1), 1) AS year_settlements_growth,
    sum(fund) OVER () AS year_fund,
    round(100 * (toFloat64(year_fund) / nullIf(toFloat64(sum(fund_before) OVER ()), 0) - 1), 1) AS year_fund_growth,
    sum(violations) OVER () AS year_violations,
    round(100 * (toFloat64(year_violations) / nullIf(toFloat64(sum(violations_before) OVER ()), 0) - 1), 1) AS year_violations_growth,
    sum(red_fund) OVER () AS year_red_fund,
    round(100 * (toFloat64(year_red_fund) / nullIf(toFloat64(sum(red_fund_before) OVER ()), 0) - 1), 1) AS year_red_fund_growth,
    sum(saved) OVER () AS year_saved,
    round(100 * (toFloat64(year_saved) / nullIf(toFloat64(sum(saved_before) OVER ()), 0) - 1), 1) AS year_saved_growth
FROM traffic
LEFT JOIN judged ON judged.month = traffic.month
LEFT JOIN kept ON kept.month = traffic.month
ORDER BY traffic.month
