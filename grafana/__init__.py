"""The wall in Grafana: dashboards as code and the JSON they emit (a later step; their SQL already lives in ``clickhouse.panels``)."""
