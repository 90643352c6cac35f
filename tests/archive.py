"""The files of the project, and those that the Registry's archive has: as `comfy node pack` chooses them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def tracked() -> list[Path]:
    """The files that git has. Skips the test where there is no checkout to ask."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout: nothing says which files belong to the project")
    return [file for name in listing.stdout.decode().split("\0") if name and (file := ROOT / name).is_file()]
