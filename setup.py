"""What pyproject.toml cannot say: the wheel takes the files of ``scripts`` along, for the command ``cxrkit``."""

from setuptools import find_namespace_packages, setup

setup(
    packages=[*find_namespace_packages(include=["cxrkit*"]), "cxrkit.doors"],
    package_dir={"cxrkit.doors": "scripts"},
)
