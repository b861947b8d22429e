"""The names of what is sent.

Of OpenTelemetry's semantic conventions 1.44 where they have one: `test.*` (in development), `vcs.*` and `cicd.*`
(release candidates), `code.*`, `exception.*`, `error.type` (stable). What they lack stands under `pytest.*`.
"""

from __future__ import annotations

# Resource
SERVICE_NAME = "service.name"
RUN_ID = "pytest.run.id"
DISTRO_NAME = "telemetry.distro.name"
DISTRO_VERSION = "telemetry.distro.version"

# Spans
SUITE_NAME = "test.suite.name"
SUITE_RUN_STATUS = "test.suite.run.status"
CASE_NAME = "test.case.name"
CASE_RESULT_STATUS = "test.case.result.status"
EXIT_CODE = "process.exit.code"
ERROR_TYPE = "error.type"
CODE_FILE_PATH = "code.file.path"
CODE_LINE_NUMBER = "code.line.number"
CODE_FUNCTION_NAME = "code.function.name"
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACKTRACE = "exception.stacktrace"
EXCEPTION_EVENT = "exception"

WARNING_EVENT = "pytest.warning"
WARNING_CATEGORY = "pytest.warning.category"
WARNING_MESSAGE = "pytest.warning.message"
OUTCOME = "pytest.outcome"
DESCRIPTION = "pytest.description"
PARAMETERS = "pytest.parameters."
MARKERS = "pytest.markers"
REASON = "pytest.reason"
PROPERTY = "pytest.property."
ATTEMPT = "pytest.attempt"
FLAKY = "pytest.flaky"
WORKER = "pytest.worker"
WORKER_TESTS = "pytest.worker.tests"
XDIST_GROUP = "pytest.xdist.group"
FAILED_PHASE = "pytest.failed_phase"
DURATION = "pytest.duration"
OUTPUT = "pytest."
"""Followed by stdout, stderr or log."""
PHASE = "pytest.phase"
FIXTURE_NAME = "pytest.fixture.name"
FIXTURE_SCOPE = "pytest.fixture.scope"
FIXTURE_PARAMS = "pytest.fixture.params"
BDD_FEATURE = "pytest.bdd.feature"
BDD_SCENARIO = "pytest.bdd.scenario"
BDD_STEP = "pytest.bdd.step"
DEBUGGER = "pytest.debugger"
SUBTEST_MESSAGE = "pytest.subtest.message"
SUBTEST_PARAMETERS = "pytest.subtest.parameters"
TESTS_COLLECTED = "pytest.tests.collected"
TESTS_DESELECTED = "pytest.tests.deselected"
DESELECTED = "pytest.deselected."
"""Followed by who did it."""
TESTS = "pytest.tests."
"""Followed by a category of pytest's summary."""
WARNINGS = "pytest.warnings"
FIXTURES_CACHED = "pytest.fixtures.cached"
LOGS_DROPPED = "pytest.logs.dropped"
SPANS_DROPPED = "pytest.spans.dropped"
XDIST_WORKERS = "pytest.xdist.workers"
PLUGINS = "pytest.plugins"
ROOTDIR = "pytest.rootdir"
CONFIGFILE = "pytest.configfile"
ARGS_COUNT = "pytest.args_count"
SPLITS = "pytest.split.splits"
SPLIT_GROUP = "pytest.split.group"

# Log records
LOGGER = "pytest.logger"

# Metrics
METRIC_CASE_DURATION = "test.case.duration"
METRIC_CASE_COUNT = "test.case.result.count"
METRIC_CASE_ACTIVE = "test.case.active"
METRIC_TESTS_COLLECTED = "pytest.tests.collected"
METRIC_TESTS_FLAKY = "pytest.tests.flaky"
METRIC_LAST_PROGRESS = "pytest.run.last_progress"
METRIC_RUN_DURATION = "test.suite.run.duration"

# Events
EVENT_RUN_STARTED = "test.suite.run.started"
EVENT_RUN_FINISHED = "test.suite.run.finished"
EVENT_CASE_STARTED = "test.case.started"
EVENT_CASE_FINISHED = "test.case.finished"

IN_PROGRESS = "in_progress"
SUMMARY_CATEGORIES = ("passed", "failed", "error", "skipped", "xfailed", "xpassed", "rerun")
"""Always on the root, 0 where there was none; other categories of plugins where they occur."""
OUTCOMES = (*SUMMARY_CATEGORIES, "interrupted", "crashed")
RESULT_STATUS = {
    "passed": "pass",
    "xpassed": "pass",
    "failed": "fail",
    "rerun": "fail",
    "error": "error",
    "crashed": "error",
    "interrupted": "error",
    "skipped": "skip",
    "xfailed": "skip",
}
"""`test.case.result.status` by outcome. An expected failure counts as a skip, as JUnit XML has it."""
