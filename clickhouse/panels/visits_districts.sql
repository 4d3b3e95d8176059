-- Documents, persons and fund money per district over 7 days (today and the six before).
WITH
    (SELECT hour FROM panel_latest) AS latest,
    toStartOfDay(latest) - INTERVAL 6 DAY AS first,
    cells AS
    (
        SELECT mdtrtarea_admvs, settlements, fund, persons FROM panel_area_days
        WHERE {institution:String} = '' AND day >= first AND day <= latest
        UNION ALL
        SELECT mdtrtarea_admvs, settlements, fund, persons FROM panel_days
        WHERE {institution:String} != '' AND fixmedins_code = {institution:String} AND day >= first AND day <= latest
    )
SELECT
    cells.mdtrtarea_admvs AS mdtrtarea_admvs,
    sum(cells.settlements) AS settlements,
    uniqCombined64Merge(14)(cells.persons) AS persons,
    sum(cells.fund) AS fund
FROM cells
GROUP BY mdtrtarea_admvs
ORDER BY settlements DESC, mdtrtarea_admvs
SETTINGS optimize_move_to_prewhere_if_final = 1
