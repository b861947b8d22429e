"""The process that turns a journal into OTLP; never imported by the process that runs the tests."""
