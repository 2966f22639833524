"""The dashboards of Grafana as tables of queries: `python -m deploy.dashboards write` writes deploy/grafana; `check` compares."""
