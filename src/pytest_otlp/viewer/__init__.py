"""An extra: the live page and the report file. Never imported where tests run."""
