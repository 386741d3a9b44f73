"""The recipes that cxrkit brings along, by name."""

from __future__ import annotations

import json
import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from cxrkit.errors import TrainingError

if TYPE_CHECKING:
    from cxrkit.training.recipe import Recipe

MODEL_TYPES = {
    "mobilenet": "s0-mobilenet",
    "resnet": "s0-resnet",
    "efficientnet": "s0-efficientnet",
    "efficientnet_b0": "s0-efficientnet",
    "vgg16": "s1-vgg16",
    "cnn": "s2-cnn",
    "resnet18": "s3-resnet18",
    "densenet": "s4-densenet",
}
"""The words of ``--model-type`` and the recipe that each stands for."""


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes, sorted."""
    files = (resources.files("cxrkit.training") / "recipes").iterdir()
    return tuple(sorted(file.name.removesuffix(".json") for file in files if file.name.endswith(".json")))


def listing() -> str:
    """Name and title of every recipe, one per line."""
    titles = {name: json.loads(_text(name))["title"] for name in recipe_names()}
    width = max(map(len, titles))
    return "\n".join(f"{name:<{width}}  {title}" for name, title in titles.items())


def find_recipe(name: str | os.PathLike[str]) -> Recipe:
    """A recipe by its name, or from a file of one's own.

    Raises
    ------
    TrainingError
        There is neither, or the file is malformed.
    """
    from cxrkit.training.recipe import Recipe

    if str(name) in recipe_names():
        return Recipe.parse(_text(str(name)))
    if not Path(name).suffix and not Path(name).is_file():
        raise TrainingError(
            f"There is no recipe named {Path(name).name!r}.",
            f"Choose one of {', '.join(recipe_names())}, or give the path of a recipe file.",
        )
    return Recipe.load(name)


def _text(name: str) -> str:
    return (resources.files("cxrkit.training") / "recipes" / f"{name}.json").read_text(encoding="utf-8")
