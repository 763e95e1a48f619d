"""What Prometheus and Grafana are told of a mesh, as tables that ``tools.docs_monitoring`` writes."""
