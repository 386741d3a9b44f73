"""Every cache of the dashboard stands in one folder, and is bounded in number and time."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.conftest import REPOSITORY

SERVICES = REPOSITORY / "cxrkit" / "dashboard" / "services"


def caches(path: Path) -> list[tuple[str, set[str | None]]]:
    """Name of what is cached, and the settings of its cache."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for decorator in getattr(node, "decorator_list", ()):
            if ast.unparse(decorator).startswith("st.cache_"):
                settings = {word.arg for word in decorator.keywords} if isinstance(decorator, ast.Call) else set()
                found.append((node.name, settings))
    return found


def test_caches_stand_in_one_folder_and_are_bounded() -> None:
    here = {path: caches(path) for path in SERVICES.glob("*.py")}
    assert sum(map(len, here.values())) > 10
    for path, found in here.items():
        for name, settings in found:
            assert {"max_entries", "ttl"} <= settings, f"{path.name}: {name}"
    others = [*(REPOSITORY / "pages").glob("*.py"), *(REPOSITORY / "cxrkit").rglob("*.py"), *REPOSITORY.glob("*.py")]
    elsewhere = [path.name for path in others if path not in here and "st.cache_" in path.read_text(encoding="utf-8")]
    assert elsewhere == []
