-- What lies in the store: rows and bytes of each table.
SELECT name AS table, total_rows AS rows, total_bytes AS bytes, round(total_bytes / nullIf(total_rows, 0), 1) AS bytes_per_row
FROM system.tables
WHERE database = currentDatabase() AND total_rows > 0
ORDER BY total_bytes DESC
LIMIT {rows:UInt32}
