"""Storage: migrations, the sink, panel queries and the embedded server; always ClickHouse's HTTP interface, whoever answers it."""
