"""Times pytest-otlp and its peers side by side: `python3 -m benchmarks` from the project's root."""
