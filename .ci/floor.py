"""Prints constraints for the lowest versions of the direct dependencies, the pinned ones for the rest."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def floors(requirements: list[str]) -> dict[str, str]:
    """Lowest version of each requirement by name."""
    found = {}
    for requirement in requirements:
        match = re.match(r"([A-Za-z0-9_.\-]+).*?>=\s*([0-9.]+)", requirement)
        if match:
            found[match[1].lower().replace("_", "-")] = match[2]
    return found


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lowest = floors(
        project["dependencies"]
        + [
            each
            for name in ("cli", "arrow", "polars", "ws", "postgres", "yaml", "graph", "charts")
            for each in extras[name]
        ]
    )
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        name = line.split("==")[0].lower().replace("_", "-")
        if name.removesuffix("-binary") not in lowest:
            print(line)
    for name, version in lowest.items():
        print(f"{name}=={version}")
    print(f"psycopg-binary=={lowest['psycopg']}")  # its extra needs the same version


if __name__ == "__main__":
    main()
