"""How Hypothesis searches here: without a deadline, which would say more of the machine than of the code."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
