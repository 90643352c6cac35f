"""The state file of a batch: what it remembers, and what it refuses."""

from __future__ import annotations

import sqlite3

import pytest

from portrait_studio.runner.batch import BatchStateError, KeptFile, State
from portrait_studio.runner.batch.state import NAME
from portrait_studio.runner.scheduling import Fault
from portrait_studio.runner.scheduling import messages as m

FILE = KeptFile(0, "000001.png", "ab" * 32, 5, "cd" * 32)


def made(folder, rows: int = 3) -> State:
    return State.create(folder / NAME, {"name": "night"}, ({"seed": number} for number in range(rows)))


def test_rows_come_back_in_order_with_what_is_open(tmp_path):
    with made(tmp_path) as state:
        state.write([m.AttemptOpened(2, 1, "a", "id-1")])
        state.write([m.AttemptClosed(2, 1, "failed", Fault("lost", "gone")), m.AttemptOpened(2, 2, "b", "id-2")])
    with State.open(tmp_path) as state:
        loaded = state.load(10, 0)
        assert loaded.last
        assert loaded.rows == (
            m.OpenRow(1),
            m.OpenRow(2, 2, {"lost": 1}, (m.OpenAttempt(2, "b", "id-2"),)),
            m.OpenRow(3),
        )
        assert state.settings(3) == {"seed": 2}
        assert not state.load(2, 0).last
        assert [row.number for row in state.load(2, 2).rows] == [3]


def test_a_transaction_is_written_whole_or_not_at_all(tmp_path):
    with made(tmp_path) as state:
        state.write([m.AttemptOpened(1, 1, "a", "id-1")])
        with pytest.raises(BatchStateError):
            state.write([m.AttemptOpened(2, 1, "a", "id-2"), m.AttemptOpened(3, 1, "a", "id-1")])
        assert [row.attempts for row in state.load(10, 0).rows] == [1, 0, 0]


def test_a_row_cannot_be_done_twice(tmp_path):
    with made(tmp_path) as state:
        state.write([m.AttemptOpened(1, 1, "a", "x"), m.AttemptSaving(1, 1, (FILE,)), m.RowDone(1, 1)])
        with pytest.raises(BatchStateError):
            state.write([m.RowDone(1, 1)])
        assert state.files(1, 1) == [FILE]
        assert state.counts() == {"open": 2, "done": 1, "failed": 0, "cancelled": 0}


def test_retry_opens_what_was_set_aside_and_forgives_its_failures(tmp_path):
    with made(tmp_path) as state:
        fault = Fault("node", "ValueError", "Traceback")
        state.write([m.AttemptOpened(1, 1, "a", "x"), m.AttemptClosed(1, 1, "failed", fault), m.RowSetAside(1, fault)])
        assert [row.number for row in state.load(9, 0).rows] == [2, 3]
        assert state.retry([2]) == 0
        assert state.retry() == 1
        assert state.load(1, 0).rows == (m.OpenRow(1, 1),)


def test_cancel_leaves_done_rows_alone(tmp_path):
    with made(tmp_path) as state:
        state.write([m.AttemptOpened(1, 1, "a", "x"), m.RowDone(1, 1)])
        assert state.cancel([1, 2]) == 1
        assert state.cancel() == 1
        assert state.counts() == {"open": 0, "done": 1, "failed": 0, "cancelled": 2}


def test_a_table_that_breaks_off_leaves_no_state(tmp_path):
    def rows():
        yield {"seed": 1}
        raise ValueError("row 2 cannot be read")

    with pytest.raises(ValueError, match="row 2"):
        State.create(tmp_path / NAME, {}, rows())
    assert list(tmp_path.iterdir()) == []


def test_a_state_whose_writer_was_killed_at_once_is_whole(tmp_path):
    state = made(tmp_path)  # not closed: nothing of its log has been moved into the file
    state.write([m.AttemptOpened(1, 1, "a", "x")])
    with State.open(tmp_path) as other:
        assert [row.attempts for row in other.load(9, 0).rows] == [1, 0, 0]
    state.close()


def test_a_second_batch_in_the_same_folder_is_refused(tmp_path):
    made(tmp_path).close()
    with pytest.raises(BatchStateError, match="already: resume it"):
        made(tmp_path)


def test_no_batch_is_said_in_one_sentence(tmp_path):
    with pytest.raises(BatchStateError, match="There is no batch in"):
        State.open(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough to be looked at" * 40])
def test_what_is_not_a_state_is_refused(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(BatchStateError, match="damaged"):
        State.open(tmp_path)
    assert (tmp_path / NAME).read_bytes() == content


def test_somebody_elses_database_is_refused(tmp_path):
    database = sqlite3.connect(tmp_path / NAME)
    database.execute("CREATE TABLE rows (number)")
    database.close()
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(BatchStateError, match="damaged"):
        State.open(tmp_path)
    assert (tmp_path / NAME).read_bytes() == before


@pytest.mark.parametrize("where", [100, 4096, 8192])
def test_a_corrupt_state_is_refused_in_one_sentence(tmp_path, where):
    made(tmp_path, rows=2000).close()
    data = bytearray((tmp_path / NAME).read_bytes())
    data[where : where + 800] = b"\xff" * 800
    (tmp_path / NAME).write_bytes(data)
    with pytest.raises(BatchStateError, match=r"damaged|cannot be used") as raised, State.open(tmp_path) as state:
        list(state.query("SELECT * FROM rows"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("version", "word"), [(0, "older"), (2, "newer")])
def test_a_state_of_another_version_says_which(tmp_path, version, word):
    made(tmp_path).close()
    database = sqlite3.connect(tmp_path / NAME)
    database.execute(f"PRAGMA user_version = {version}")
    database.close()
    with pytest.raises(BatchStateError, match=f"{word} version"):
        State.open(tmp_path)
