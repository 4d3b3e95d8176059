(
    -- The chosen period, as many days before it, and the same a year ago: each with its first second, the first one after it, and the
    -- whole months in between, from the first second of the first to the first one after the last (none if the period is short).
    -- {period:String}: days up to the latest ('30'), a year ('2025'), a month ('2025-03'), or empty for {from:UInt32} to {until:UInt32}.
    SELECT arrayMap(
        span ->
        (
            span.1, span.2,
            if(days <= 62, span.2, if(toDayOfMonth(span.1) = 1, span.1, addMonths(span.1 - toIntervalDay(toDayOfMonth(span.1) - 1), 1))),
            if(days <= 62, span.2, span.2 - toIntervalDay(toDayOfMonth(span.2) - 1))
        ),
        [(first, after), (first - toIntervalDay(days), first), (addYears(first, -1), addYears(after, -1))])
    FROM
    (
        SELECT
            toStartOfDay(hour) AS today,
            today - toIntervalDay(toDayOfYear(today) - 1) AS new_year,
            toInt32OrZero(left({period:String}, 4)) - toYear(today) AS years,
            toInt64(toUnixTimestamp(toDateTime({from:UInt32}))) AS begun,
            toInt64(toUnixTimestamp(toDateTime({until:UInt32}))) AS ended,
            multiIf(
                {period:String} = '' AND begun > 0, toStartOfDay(today + toIntervalSecond(begun - toUnixTimestamp(today))),
                length({period:String}) = 7, addMonths(new_year, 12 * years + toInt32OrZero(substring({period:String}, 6)) - 1),
                length({period:String}) = 4, addYears(new_year, years),
                today - toIntervalDay(if(toUInt16OrZero({period:String}) = 0, 30, toUInt16OrZero({period:String})) - 1)) AS first,
            multiIf(
                {period:String} = '' AND begun > 0, toStartOfDay(today + toIntervalSecond(ended - toUnixTimestamp(today))) + INTERVAL 1 DAY,
                length({period:String}) = 7, addMonths(first, 1),
                length({period:String}) = 4, addYears(first, 1),
                today + INTERVAL 1 DAY) AS after,
            dateDiff('day', first, after) AS days
        FROM panel_latest
    )
)
