"""What happens where PyTorch, an optional extra, is not installed."""

from __future__ import annotations

import importlib
import sys

import pytest

from cxrkit.errors import ExtraMissing


def test_without_torch_the_remedy_is_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "cxrkit.conversion.torch_network", raising=False)
    with pytest.raises(ExtraMissing) as caught:
        importlib.import_module("cxrkit.conversion.torch_network")
    assert "pip install -r requirements-torch.txt" in caught.value.remedy
