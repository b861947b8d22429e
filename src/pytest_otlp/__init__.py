"""A pytest run as OpenTelemetry data, while it runs."""
