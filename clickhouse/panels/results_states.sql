-- Where the findings of 30 days stand. `state` is what is kept of each finding's handling; a code nobody has a word for is shown as it is.
WITH (SELECT hour FROM panel_latest) AS latest
SELECT
    if(alert.withdrawn, 'withdrawn', 'open') AS state,
    count() AS findings,
    countIf(alert.light = 'red') AS red,
    sum(own_amount(alert)) AS amount,
    min(alert.raised_at) AS oldest_at
FROM finding_rows AS alert FINAL
WHERE NOT alert.shadow AND alert.raised_at > latest - INTERVAL 30 DAY AND alert.raised_at < latest + INTERVAL 1 HOUR
    AND ({institution:String} = '' OR has(alert.institutions, {institution:String}))
GROUP BY state
ORDER BY findings DESC, state
