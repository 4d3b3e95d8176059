-- The periods to choose from, and their names: up to the latest day, this year and the two before, the last 24 months.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT choice.1 AS value, choice.2 AS text
FROM
(
    SELECT arrayJoin(arrayConcat(
        [('30', '近30天'), ('1', '最近一天'), ('7', '近7天'), ('90', '近90天'), ('365', '近365天'), ('', '右上角所选时间')],
        arrayMap(back -> (toString(toYear(latest) - back), concat(toString(toYear(latest) - back), '年')), range(3)),
        arrayMap(back -> (formatDateTime(addMonths(latest, -back), '%Y-%m'), concat(formatDateTime(addMonths(latest, -back), '%Y年%m'), '月')),
            range(24)))) AS choice
)
