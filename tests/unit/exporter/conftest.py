from __future__ import annotations

import pytest
from hypothesis import settings

from support.certificates import Authority

# How long an example takes says something of the machine only.
settings.register_profile("exporter", deadline=None)
settings.load_profile("exporter")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other_authority"))
