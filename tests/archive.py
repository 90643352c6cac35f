"""The files of the project, and those that the Registry's archive has: as `comfy node pack` chooses them.

    python -m tests.archive COMFY

packs with the `comfy` command of comfy-cli, which the test suite does not need, and says where its choice differs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from pathspec import PathSpec

ROOT = Path(__file__).parents[1]


def tracked() -> list[Path]:
    """The files that git has. Skips the test where there is no checkout to ask."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout: nothing says which files belong to the project")
    return [file for name in listing.stdout.decode().split("\0") if name and (file := ROOT / name).is_file()]


def packed() -> list[Path]:
    """The files of the archive: those that git has, less what .comfyignore names."""
    lines = (ROOT / ".comfyignore").read_text("utf-8").splitlines()
    ignored = PathSpec.from_lines("gitwildmatch", [line.strip() for line in lines if line and line[0] != "#"])
    return [file for file in tracked() if not ignored.match_file(file.relative_to(ROOT).as_posix())]


def pack(target: Path) -> Path:
    """Write the archive."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in packed():
            archive.write(file, file.relative_to(ROOT).as_posix())
    return target


def main(comfy: str) -> int:
    """Compare our choice with that of comfy-cli; 1 when they differ."""
    with tempfile.TemporaryDirectory() as work:
        tree = Path(work) / "tree"
        subprocess.run(["git", "clone", "--quiet", ROOT, tree], check=True)
        subprocess.run([comfy, "--skip-prompt", "--no-enable-telemetry", "node", "pack"], cwd=tree, check=True)
        with zipfile.ZipFile(tree / "node.zip") as archive:
            theirs = set(archive.namelist())
            size = (tree / "node.zip").stat().st_size
    ours = {file.relative_to(ROOT).as_posix() for file in packed()}
    sys.stdout.write(f"comfy node pack: {len(theirs)} files, {size} bytes; ours: {len(ours)} files\n")
    for name in sorted(theirs ^ ours):
        sys.stdout.write(f"{'theirs alone' if name in theirs else 'ours alone'}: {name}\n")
    return int(theirs != ours)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
