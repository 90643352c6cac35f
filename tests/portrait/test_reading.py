"""Files from outside: what is read, what is refused, and that no refusal waits or takes memory."""

from __future__ import annotations

import json
import os
import socket
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_studio.portrait import reading
from portrait_studio.portrait.reading import FolderError, ReadError


def test_a_regular_file_is_read_whole(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    assert reading.read(tmp_path / "a", "card") == b"x" * 100_000
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert reading.read(tmp_path / "link", "card") == b"x" * 100_000
    (tmp_path / "empty").touch()
    assert reading.read(tmp_path / "empty", "card") == b""


@pytest.mark.timeout(20)
@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "pipe", "socket"])
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path, path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(ReadError, match="not a regular file"):
            reading.read(tmp_path / path, "photo")


@pytest.mark.timeout(20)
def test_a_file_that_turns_into_a_pipe_after_it_was_looked_at_is_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    facts = (tmp_path / "file").stat()
    monkeypatch.setattr(Path, "stat", lambda self, **_: facts)
    with pytest.raises(ReadError, match="not a regular file"):
        reading.read(tmp_path / "pipe", "photo")


def test_a_sparse_giant_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "giant").open("wb") as file:
        file.truncate(300_000_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(ReadError, match="more than the 300 MB that a photo may have"):
            reading.read(tmp_path / "giant", "photo")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_file_that_grows_or_hides_its_size_is_read_to_the_limit_and_no_further(tmp_path, monkeypatch):
    assert b"Name:" in reading.read(Path("/proc/self/status"), "card")  # its size is told as 0
    path = tmp_path / "growing"
    path.write_bytes(b"x" * 10)
    real = os.fstat

    def grow(handle: int) -> os.stat_result:
        facts = real(handle)
        with path.open("ab") as file:
            file.truncate(reading.limit("card") + 1)
        return facts

    monkeypatch.setattr(os, "fstat", grow)
    with pytest.raises(ReadError, match="more than the 8 MB that a subject's card may have"):
        reading.read(path, "card")


@pytest.mark.parametrize(
    ("name", "says"), [("gone", "No such file"), ("x" * 5000, "too long"), ("a\0b", "null"), ("gone/x", "No such file")]
)
def test_a_path_that_cannot_be_is_a_reason(tmp_path, name, says):
    with pytest.raises(ReadError, match=says):
        reading.read(tmp_path / name, "card")


def test_folders_and_on_request_links_are_told_apart(tmp_path):
    (tmp_path / "a").touch()
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(FolderError):
        reading.read(tmp_path, "card")
    for name in ("link", "dangling"):
        with pytest.raises(ReadError, match="it is a link"):
            reading.read(tmp_path / name, "card", links=False)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("9" * 401, "too large a number"),
        ("-" + "9" * 401, "too large a number"),
        ("9" * 1_000_000, "too large a number"),
        ("1e999", "too large a number"),
        ("NaN", "NaN is not a JSON number"),
        ("-Infinity", "not a JSON number"),
        ('"\\ud800"', "half of a surrogate pair"),
        ('{"a": ["\\uDFFF"]}', "half of a surrogate pair"),
        ("\ud800", "half of a surrogate pair"),
        (b'"\xff"', "not text in UTF-8"),
        (b'"\xed\xa0\x80"', "not text in UTF-8"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("{", "Expecting"),
        ("", "Expecting"),
    ],
)
def test_json_that_would_do_harm_later_is_refused_at_once(raw, says):
    with pytest.raises(ValueError, match=says):
        reading.parse_json(raw)


_text = st.text(st.characters(exclude_categories=["Cs"]))
_numbers = st.integers(-(10**28), 10**28) | st.floats(allow_nan=False, allow_infinity=False)
_values = st.recursive(
    st.none() | st.booleans() | _numbers | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)


@given(_values, st.booleans())
def test_what_json_can_say_comes_back_as_it_was(value, escaped):
    text = json.dumps(value, ensure_ascii=escaped)
    assert reading.parse_json(text) == value
    assert reading.parse_json(text.encode()) == value
    assert reading.parse_json(text.encode("utf-8-sig")) == value


@given(st.binary(max_size=60) | st.text('[]{}",:0123456789eE+-.\\uDd8tfn \ud800', max_size=60))
def test_bytes_of_any_kind_are_read_or_refused(raw):
    try:
        value = reading.parse_json(raw)
    except ValueError as error:
        assert str(error)
        return
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


def test_a_pipe_that_somebody_writes_to_is_not_read_either(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK)))
    writer.start()
    with pytest.raises(ReadError, match="not a regular file"):
        reading.read(pipe, "card")
    writer.join()
