"""The wall in Grafana: dashboards as code, and the JSON they emit."""
