"""Which Portrait Studio this is: the same code has the same digits, wherever it was got."""

from __future__ import annotations

import shutil
from pathlib import Path

from portrait_studio.portrait import pack
from tests.archive import packed

ROOT = Path(__file__).parents[2]


def copied(into: Path) -> Path:
    """The files of the Registry's archive, in a folder."""
    for file in packed():
        target = into / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return into


def test_a_pack_from_the_registry_and_a_clone_of_the_same_code_have_the_same_digits(tmp_path):
    assert pack.fingerprint(copied(tmp_path)) == pack.code()


def test_other_code_or_other_data_has_other_digits(tmp_path):
    before = pack.fingerprint(copied(tmp_path))
    preset = next((tmp_path / "portrait" / "tones" / "presets").glob("*.toml"))
    preset.write_text(preset.read_text("utf-8") + "\n", "utf-8")
    after = pack.fingerprint(tmp_path)
    assert after != before
    (tmp_path / "nodes" / "tones.py").unlink()
    assert pack.fingerprint(tmp_path) not in (before, after)


def test_the_version_is_that_of_the_project():
    assert f'version = "{pack.version()}"' in (ROOT / "pyproject.toml").read_text("utf-8")
