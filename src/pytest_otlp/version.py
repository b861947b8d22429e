"""The version, where both processes find it without reading the installed metadata (20 ms)."""

__version__ = "0.1.0"
