"""Names and files of a job: none outside its folder, none over another, none in part."""

from __future__ import annotations

import resource
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portrait_studio.runner.client.errors import OutputError
from portrait_studio.runner.jobs import output

wild = st.text(alphabet=st.characters(), max_size=300) | st.text(alphabet="./\\:~ %CONul한😀\x00\n", max_size=40)


@given(wild)
@example("..")
@example("../../etc/passwd")
@example("/etc/passwd")
@example("C:\\Windows\\system32")
@example("CON.png")
@example("..png")
@example("😀" * 200 + ".png")
@example("a" * 200 + "." + "b" * 200)
def test_any_name_becomes_a_plain_file_name(name):
    safe = output.safe_name(name)
    assert safe
    assert safe not in (".", "..")
    assert not set(safe) & set('/\\:*?"<>|\x00\n')
    assert ".." not in safe
    assert len(safe.encode("utf-8")) <= 255 - len(" (99999).json.part")
    assert Path(safe).name == safe
    assert not Path(safe).is_absolute()
    assert output.safe_name(safe) == safe


@given(wild)
def test_any_name_is_saved_inside_its_folder(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("out")
    (path,) = output.free_names(folder, [name])
    assert path.parent == folder
    assert path.resolve().parent == folder.resolve()
    path.write_bytes(b"picture")
    output.record_path(path).write_bytes(b"{}")
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("name", ["초상 사진.png", "portrait of a 😀.png", "two words.png", "żółw.png"])
def test_scripts_spaces_and_emoji_stay(name):
    assert output.safe_name(unicodedata.normalize("NFD", name)) == unicodedata.normalize("NFC", name)


def test_nothing_is_ever_overwritten(tmp_path):
    (tmp_path / "same.png").write_bytes(b"1")
    output.record_path(tmp_path / "other.png").write_text("{}")  # the record of an image that was moved away
    chosen = output.free_names(tmp_path, ["same.png", "same.png", "other.png"])
    assert [path.name for path in chosen] == ["same (2).png", "same (3).png", "other (2).png"]


def test_a_link_of_that_name_is_not_followed(tmp_path):
    outside = tmp_path / "outside.png"
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a.png").symlink_to(outside)
    assert output.free_names(folder, ["a.png"]) == [folder / "a (2).png"]


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "taken").write_text("")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(OutputError, match="a file has that name") as caught:
            output.prepare(folder)
        assert caught.value.exit_code == 5


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is a folder that even root cannot write")
def test_a_read_only_folder_is_found_before_anything_else():
    with pytest.raises(OutputError, match=r"'fd' cannot be written|'self' cannot be written"):
        output.prepare(Path("/proc/self/fd"))


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    """The size limit of a process stands in for the end of the disk: the same failure at the same call."""
    script = (
        "import resource, signal, sys; from pathlib import Path; from portrait_studio.runner.jobs import output\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, {resource.getrlimit(resource.RLIMIT_FSIZE)[1]}))\n"
        "folder = Path(sys.argv[1])\n"
        "for action in (lambda: output.prepare(folder), lambda: output.replace(folder / 'a.png', bytes(200_000))):\n"
        "    try: action()\n"
        "    except output.OutputError as error: print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert told.stdout.count("is full") == 2
    assert list(tmp_path.iterdir()) == []
