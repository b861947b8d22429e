"""Grafana's dashboards as code: `live`, `run` and `history` are the dashboards, `panels` is what they are made of."""
