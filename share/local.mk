# For other programs: a board for Grafana, alerts for Prometheus. tests/tools/test_metrics_text.py holds them against what
# the daemons say.
grafanadir = $(pkgdatadir)/grafana
dist_grafana_DATA = share/signpost/grafana/signpost.json
prometheusdir = $(pkgdatadir)/prometheus
dist_prometheus_DATA = share/signpost/prometheus/signpost.rules.yml
