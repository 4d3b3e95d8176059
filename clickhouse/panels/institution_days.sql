-- An institution's sixty days.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT days.day AS day, sum(days.settlements) AS settlements, uniqCombined64Merge(14)(days.persons) AS persons, sum(days.fee) AS fee,
    sum(days.fund) AS fund, round(toFloat64(fee) / nullIf(sum(toInt64(days.settlements) - toInt64(days.reversals)), 0), 2) AS average_fee
FROM panel_days AS days
WHERE days.fixmedins_code = {place:String} AND days.day > latest - INTERVAL 60 DAY AND days.day <= latest
    AND ({institution:String} = '' OR days.fixmedins_code = {institution:String})
GROUP BY day
ORDER BY day
