"""Prints a pin for every package that the dependencies in pyproject.toml bring along, as installed here."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

APART = {"compare"}
"""Extras that `make venv` does not install."""

PROJECT_NAME = "depthscope"

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def installed(roots: list[Requirement]) -> dict[str, str]:
    """Version by name of these packages and of all that they need here."""
    found: dict[str, str] = {}
    waiting = list(roots)
    while waiting:
        root = waiting.pop()
        name = canonicalize_name(root.name)
        if name in found:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            raise SystemExit(f"{name} is not installed") from None
        found[name] = package.version
        extras = ("", *root.extras)
        needs = [Requirement(text) for text in package.requires or []]
        waiting += [n for n in needs if n.marker is None or any(n.marker.evaluate({"extra": e}) for e in extras)]
    return found


def main() -> None:
    """Reads pyproject.toml and prints the pins."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    extras = {name: lines for name, lines in project["optional-dependencies"].items() if name not in APART}
    lines = [*project["dependencies"], *(line for group in extras.values() for line in group)]
    named = [Requirement(line) for line in lines]
    print("# Made by `make lock`: every package that pyproject.toml names or that comes along with one.")
    for name, version in sorted(installed(named).items()):
        if name != canonicalize_name(PROJECT_NAME):
            print(f"{name}=={version.partition('+')[0]}")  # a local build such as +cpu is the same release


if __name__ == "__main__":
    main()
