"""Versions and licences are those of what is installed."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from cxrkit import licences
from cxrkit.licences import Package, installed


def test_every_needed_package_is_listed_with_its_own_version() -> None:
    found = {package.name.lower(): package for package in installed()}
    for name in ("streamlit", "keras", "pydicom", "plotly"):
        assert found[name].version == version(name)
        assert found[name].licence, name
    assert "pytest" not in found
    assert list(found) == sorted(found)


def test_long_texts_and_missing_packages_are_no_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(len(package.licence) <= 200 and "\n" not in package.licence for package in installed())
    installed.cache_clear()
    monkeypatch.setattr(licences, "_needed", lambda: {"no-such-package-anywhere"})
    assert installed() == (Package("no-such-package-anywhere"),)
    installed.cache_clear()
