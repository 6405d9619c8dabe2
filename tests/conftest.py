"""Of all tests: the environment is restored, and the slow ones begin, so that several processes end together."""

from __future__ import annotations

import os

import pytest

OWN = ("DEPTHSCOPE_ADAPTERS", "DEPTHSCOPE_INSTRUMENTS", "DEPTHSCOPE_TASKS")


@pytest.fixture(autouse=True)
def environment_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command adds to the environment for the programs that it starts goes with its test."""
    for variable in OWN:
        monkeypatch.setenv(variable, os.environ.get(variable, ""))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts slow tests at the front of each half, as `--dist worksteal` gives each of two processes one half."""
    slow = [item for item in items if item.get_closest_marker("slow") or item.get_closest_marker("browser")]
    taken = set(slow)
    quick = [item for item in items if item not in taken]
    a, b = len(slow) // 2, len(quick) // 2
    items[:] = slow[:a] + quick[:b] + slow[a:] + quick[b:]
