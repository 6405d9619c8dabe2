"""What is said and written depends on whether this is a checkout or an installed package."""

from __future__ import annotations

from pathlib import Path

import pytest

from depthscope.core.files import places


def test_a_checkout_installs_an_extra_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "IS_CHECKOUT", True)
    assert places.install("app") == "pip install -e '.[app]'"
    assert places.home() == places.ROOT


def test_an_installed_package_names_itself_and_writes_to_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "IS_CHECKOUT", False)
    monkeypatch.setenv("DEPTHSCOPE_HOME", str(tmp_path))
    assert places.install("app") == "pip install 'depthscope[app]'"
    assert places.home() == tmp_path
