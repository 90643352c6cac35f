"""What the scheduler does about each kind of trouble, one signal at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portrait_studio.runner.batch import policy
from portrait_studio.runner.scheduling import Fault, Policy, Scheduler
from portrait_studio.runner.scheduling import messages as m

from ...present import present

SHIPPED = policy()


class Table:
    """A scheduler, a clock, and what it has said so far."""

    def __init__(
        self, rows: int = 2, hosts: tuple[str, ...] = ("a",), patience: Policy = SHIPPED, portraits: int = 0
    ) -> None:
        self.now = 100.0
        self.notes: list[m.Note] = []
        self.asked: dict[str, m.Request] = {}
        self.others: list[m.Action] = []
        self.scheduler = Scheduler(hosts, patience, lambda row, attempt: f"{row}.{attempt}", self.now)
        self.tell(None)
        self.tell(m.Loaded(tuple(self.row(number, portraits) for number in range(1, rows + 1)), last=True))

    @staticmethod
    def row(number: int, portraits: int) -> m.OpenRow:
        """The first rows are portraits of Mina."""
        return m.OpenRow(number, needs=frozenset(["mina"] if number <= portraits else []))

    def tell(self, signal: m.Signal | None, after: float = 0.0) -> m.Decision:
        self.now += after
        step = self.scheduler.step(signal, self.now)
        self.notes += step.notes
        for action in step.actions:
            if isinstance(action, m.Request):
                self.asked[action.host] = action
            else:
                self.others.append(action)
        return step

    def answer(self, host: str, kind: type[m.HostAnswer], *values: object, after: float = 0.0) -> m.Decision:
        return self.tell(kind(host, self.asked.pop(host).serial, *values), after)

    def seen(self, host: str, running=(), pending=(), ended=None, after: float = 0.0, has=()) -> m.Decision:
        """Wait until the host is looked at, and answer."""
        self.now += after
        for _ in range(100):
            if isinstance(self.asked.get(host), m.Look):
                return self.answer(host, m.Seen, tuple(running), tuple(pending), ended or {}, frozenset(has))
            self.tell(None, self.scheduler.wake())
        raise AssertionError(f"{host} is not looked at: {self.asked.get(host)}")

    def closed(self) -> list[tuple[int, str, str]]:
        return [
            (one.row, one.state, one.fault.kind if one.fault else "")
            for one in self.notes
            if isinstance(one, m.AttemptClosed)
        ]

    def posts(self) -> list[tuple[int, str]]:
        return [(one.row, one.host) for one in self.notes if isinstance(one, m.AttemptOpened)]


def one_running(hosts: tuple[str, ...] = ("a",), rows: int = 1, patience: Policy = SHIPPED) -> Table:
    """Row 1 runs on host a."""
    table = Table(rows, hosts, patience)
    table.seen("a")
    table.answer("a", m.PostAccepted)
    if isinstance(table.asked.get("a"), m.Post):
        table.answer("a", m.PostAccepted)
    table.seen("a", ["1.1"], [one for one in ("2.1",) if rows > 1])
    return table


def test_an_attempt_is_noted_in_the_step_that_posts_it():
    table = Table()
    step = table.seen("a")
    (note,), (action,) = step.notes, step.actions
    assert isinstance(note, m.AttemptOpened)
    assert isinstance(action, m.Post)
    assert note.prompt_id == action.prompt_id == "1.1"


def test_a_host_holds_no_more_prompts_than_the_depth():
    table = Table(rows=9)
    table.seen("a")
    table.answer("a", m.PostAccepted)
    table.answer("a", m.PostAccepted)
    assert not isinstance(table.asked.get("a"), m.Post)
    assert table.posts() == [(1, "a"), (2, "a")]


def test_a_row_is_done_when_its_files_are_kept_and_not_before():
    table = one_running()
    table.seen("a", ended={"1.1": None})
    assert isinstance(table.asked["a"], m.Collect)
    table.answer("a", m.FilesFetched, 1, 1, ("files",))
    assert table.notes[-1] == m.AttemptSaving(1, 1, ("files",))
    assert m.Keep(1, 1) in table.others
    table.tell(m.Kept(1, 1))
    assert table.notes[-1] == m.RowDone(1, 1)
    assert table.others[-1] == m.Finish(None)


def test_an_answer_that_comes_twice_or_late_changes_nothing():
    table = Table(rows=1)
    table.seen("a")
    serial = table.asked["a"].serial
    table.answer("a", m.PostAccepted)
    before = len(table.notes)
    table.tell(m.RequestFailed("a", serial, Fault("refused", "late")))
    table.tell(m.PostAccepted("a", serial))
    assert len(table.notes) == before
    assert table.scheduler.views()[0].up


def test_a_refused_row_is_set_aside_at_once():
    table = Table(rows=1)
    table.seen("a")
    table.answer("a", m.RequestFailed, Fault("refused", "value not in list"))
    assert isinstance(table.notes[-1], m.RowSetAside)
    assert table.posts() == [(1, "a")]


def test_a_nodes_exception_is_tried_once_more_on_another_host():
    table = one_running(("a", "b"))
    table.seen("b")
    table.seen("a", ended={"1.1": Fault("node", "ValueError", "Traceback ...")})
    table.tell(None, 0.1)
    assert table.posts() == [(1, "a"), (1, "b")]
    table.answer("b", m.PostAccepted)
    table.seen("b", ended={"1.2": Fault("node", "ValueError", "Traceback ...")})
    aside = table.notes[-1]
    assert isinstance(aside, m.RowSetAside)
    assert aside.fault.detail == "Traceback ..."


def test_out_of_memory_frees_the_host_before_the_second_try():
    table = one_running()
    table.seen("a", ended={"1.1": Fault("memory", "out of memory")})
    assert isinstance(table.asked["a"], m.Free)
    table.answer("a", m.Freed)
    table.tell(None, 1.5)
    assert isinstance(table.asked["a"], m.Post)


def test_a_lost_answer_to_a_post_is_looked_into_before_anything_is_posted_again():
    table = Table(rows=1)
    table.seen("a")
    table.answer("a", m.RequestFailed, Fault("connection", "no answer"))
    table.seen("a", pending=["1.1"])
    assert table.posts() == [(1, "a")]
    table.seen("a", ended={"1.1": None})
    assert isinstance(table.asked["a"], m.Collect)


def test_a_prompt_that_vanished_is_posted_again_under_another_id_after_the_grace():
    table = one_running()
    table.seen("a")
    assert table.closed() == []
    table.seen("a", after=SHIPPED.lost_grace)
    assert table.closed() == [(1, "failed", "crash")]
    table.tell(None, 2.0)
    request = table.asked["a"]
    assert isinstance(request, m.Post)
    assert request.prompt_id == "1.2"


def test_a_prompt_that_arrives_late_after_all_is_removed():
    table = one_running()
    table.seen("a")
    table.seen("a", after=SHIPPED.lost_grace)
    table.tell(None, 2.0)
    table.answer("a", m.PostAccepted)
    table.seen("a", ["1.1"], ["1.2"])
    assert table.asked["a"] == m.Interrupt("a", table.asked["a"].serial, "1.1")


def test_a_waiting_row_moves_to_a_host_that_has_nothing_to_do():
    table = one_running(("a", "b"), rows=2)
    table.seen("b")
    assert not isinstance(table.asked.get("b"), m.Post)
    table.tell(None, 3.0)
    assert table.asked["a"] == m.Withdraw("a", table.asked["a"].serial, "2.1")
    table.answer("a", m.Removed, True)
    assert table.closed() == [(2, "withdrawn", "")]
    assert table.posts()[-1] == (2, "b")


def test_a_row_that_began_meanwhile_stays_where_it_is():
    table = one_running(("a", "b"), rows=2)
    table.seen("b")
    table.tell(None, 3.0)
    table.answer("a", m.Removed, False)
    assert table.closed() == []
    assert table.posts() == [(1, "a"), (2, "a")]


def quick(table: Table, host: str) -> None:
    """Answer whatever this host is asked: every prompt has ended well."""
    asked = table.asked.get(host)
    if isinstance(asked, m.Post):
        table.answer(host, m.PostAccepted)
    elif isinstance(asked, m.Look):
        table.answer(host, m.Seen, (), (), dict.fromkeys(asked.prompts))
    elif isinstance(asked, m.Collect):
        table.answer(host, m.FilesFetched, asked.row, asked.attempt, ())
        table.tell(m.Kept(asked.row, asked.attempt))


def test_a_row_on_a_slow_host_is_started_on_an_idle_one_and_the_first_counts():
    table = Table(rows=5, hosts=("a", "b"))
    for _ in range(400):
        asked = table.asked.get("a")
        if isinstance(asked, m.Post):
            table.answer("a", m.PostAccepted)
        elif isinstance(asked, m.Look):
            table.answer("a", m.Seen, ("1.1",) if table.posts() else (), (), {})
        elif isinstance(asked, m.Withdraw):
            table.answer("a", m.Removed, True)
        elif isinstance(asked, m.Interrupt):
            break
        quick(table, "b")
        table.tell(m.Heard("a", "1.1"), 1.0)
    assert table.posts().count((1, "a")) == table.posts().count((1, "b")) == 1
    assert m.RowDone(1, 2) in table.notes
    assert (1, "withdrawn", "") in table.closed()
    assert table.asked["a"] == m.Interrupt("a", table.asked["a"].serial, "1.1")


def test_a_host_that_is_gone_loses_its_rows_to_the_others():
    table = one_running(("a", "b"))
    table.seen("b")
    table.tell(None, 3.0)
    for _ in range(60):
        if "a" in table.asked:
            table.answer("a", m.RequestFailed, Fault("connection", "no answer"))
        table.tell(None, 3.0)
        if "b" in table.asked:
            break
    assert isinstance(table.asked["b"], m.Post)
    assert table.asked["b"].prompt_id == "1.2"


def test_nothing_that_moves_for_too_long_is_stopped():
    table = one_running(patience=replace(SHIPPED, stall=60.0))
    for _ in range(40):
        if isinstance(table.asked.get("a"), m.Look):
            table.answer("a", m.Seen, ("1.1",), (), {})
        table.tell(None, 2.0)
    assert table.closed() == [(1, "failed", "stalled")]


def behind_a_strangers_job() -> Table:
    """Both rows wait on host a behind a prompt that is not ours and does not move, until the host is left for it."""
    table = Table(2, patience=replace(SHIPPED, stall=60.0))
    table.seen("a")
    table.answer("a", m.PostAccepted)
    table.answer("a", m.PostAccepted)
    while not isinstance(table.asked.get("a"), m.Interrupt):
        assert table.now < 300.0
        if isinstance(table.asked.get("a"), m.Look):
            table.answer("a", m.Seen, ("stranger",), ("1.1", "2.1"), {})
        table.tell(None, 2.0)
    return table


def test_what_waits_behind_a_strangers_job_that_hangs_is_taken_back():
    """Or the host works it off for nobody, and the batch takes it for a stranger's that hangs, and so for ever."""
    table = behind_a_strangers_job()
    for prompt_id in ("1.1", "2.1"):
        assert table.asked["a"] == m.Interrupt("a", table.asked["a"].serial, prompt_id)
        table.answer("a", m.Removed, True)
    assert table.closed() == [(1, "withdrawn", ""), (2, "withdrawn", "")]
    table.seen("a", ["stranger"], after=SHIPPED.host_longest)
    assert not table.scheduler.views()[0].up
    assert table.posts() == [(1, "a"), (2, "a")]
    table.seen("a", after=SHIPPED.host_longest)
    assert table.posts()[2:] == [(1, "a")]  # it moved


def test_what_was_not_taken_back_is_found_at_the_next_look():
    table = behind_a_strangers_job()
    table.answer("a", m.RequestFailed, Fault("connection", "no answer"))
    table.answer("a", m.Removed, True)
    table.seen("a", ["stranger"], ["1.1"])
    assert table.asked["a"] == m.Interrupt("a", table.asked["a"].serial, "1.1")
    assert not table.scheduler.views()[0].up


def test_ctrl_c_waits_until_a_stuck_host_has_let_go():
    table = behind_a_strangers_job()
    table.tell(m.Stop(Fault("stopped", "Ctrl-C")))
    for _ in range(2):
        assert not table.scheduler.finished
        table.answer("a", m.Removed, True)
    assert table.scheduler.finished


def test_time_away_does_not_count_as_standing_still_and_does_not_end_it_either():
    """Before, a host that hangs and misses an answer now and then was never found out."""
    table = one_running(patience=replace(SHIPPED, stall=60.0))
    begun = table.now
    while not table.closed():
        assert table.now < begun + 300.0
        if isinstance(table.asked.get("a"), m.Look):
            lost = int(table.now) % 20 < 3
            table.answer("a", m.RequestFailed, Fault("connection", "no answer")) if lost else table.answer(
                "a", m.Seen, ("1.1",), (), {}
            )
        table.tell(None, 2.0)
    assert table.closed() == [(1, "failed", "stalled")]
    table = one_running(patience=replace(SHIPPED, stall=60.0))
    while not isinstance(table.asked.get("a"), m.Look):
        table.tell(None, 2.0)
    table.answer("a", m.RequestFailed, Fault("connection", "no answer"))
    for _ in range(6):
        table.tell(None, 20.0)
    table.answer("a", m.Seen, ("1.1",), (), {})
    assert table.closed() == []


def test_a_row_whose_host_crashed_is_tried_alone():
    """Row 1 or row 2 crashes the host; which, only a run without the other can tell."""
    table = one_running(rows=3)
    table.seen("a")
    table.seen("a", after=SHIPPED.lost_grace)
    assert table.closed() == [(1, "failed", "crash"), (2, "withdrawn", "")]
    while isinstance(table.asked.get("a"), m.Post):
        table.answer("a", m.PostAccepted)
    assert table.posts()[2:] == [(2, "a"), (3, "a")]
    table.seen("a", ["2.2"], ["3.1"], after=SHIPPED.rules["crash"].longest)
    table.seen("a", ["3.1"], ended={"2.2": None})
    table.answer("a", m.FilesFetched, 2, 2, ())
    assert table.posts()[4:] == []  # there is room for one, and the row waits for an empty host
    table.seen("a", ended={"3.1": None})
    table.answer("a", m.FilesFetched, 3, 1, ())
    assert table.posts()[4:] == [(1, "a")]


def test_a_row_that_has_had_its_last_is_not_tried_again_and_ends_with_what_is_still_open():
    """Two hosts that die in turn: when one is back, the row's attempt on the other is open, and so for ever."""
    table = one_running(("a", "b"))
    table.seen("b")
    for number in range(2, 40):
        host, other = ("b", "a") if number % 2 == 0 else ("a", "b")
        for _ in range(60):  # the other is gone, and its row is given to this one
            if table.scheduler.finished or isinstance(table.asked.get(host), m.Post):
                break
            if isinstance(table.asked.get(other), m.Look):
                table.answer(other, m.RequestFailed, Fault("connection", "no answer"))
            if isinstance(table.asked.get(host), m.Look):
                table.answer(host, m.Seen, (), (), {})
            table.tell(None, 3.0)
        if table.scheduler.finished:
            break
        table.answer(host, m.PostAccepted)
        table.seen(host, [f"1.{number}"])
        for _ in range(2):
            table.seen(other, after=SHIPPED.lost_grace)
    crashes = SHIPPED.rules["crash"].retries + 1
    assert table.scheduler.finished
    assert [one.row for one in table.notes if isinstance(one, m.RowSetAside)] == [1]
    assert crashes <= table.closed().count((1, "failed", "crash")) <= crashes + 1


def test_progress_is_a_movement():
    table = one_running(patience=replace(SHIPPED, stall=60.0))
    for _ in range(80):
        if isinstance(table.asked.get("a"), m.Look):
            table.answer("a", m.Seen, ("1.1",), (), {})
        table.tell(m.Heard("a", "1.1"), 2.0)
    assert table.closed() == []


@pytest.mark.parametrize("leap", [3600.0, -3600.0])
def test_a_clock_that_jumps_gives_nothing_up(leap):
    table = one_running(patience=replace(SHIPPED, stall=60.0, patience=40.0))
    table.tell(None, leap)
    table.seen("a", ["1.1"])
    assert table.closed() == []


def test_a_full_disk_stops_the_batch_and_blames_no_row():
    table = one_running()
    table.seen("a", ended={"1.1": None})
    table.answer("a", m.RequestFailed, Fault("disk", "The output folder is full"))
    assert table.others[-1] == m.Finish(Fault("disk", "The output folder is full"))
    assert table.closed() == []


def test_ctrl_c_takes_everything_back_from_the_hosts_and_closes_no_row():
    table = one_running(rows=2)
    if isinstance(table.asked.get("a"), m.Look):
        table.answer("a", m.Seen, ("1.1",), ("2.1",), {})
    table.tell(m.Stop(Fault("stopped", "Ctrl-C")))
    for _ in range(2):
        assert isinstance(table.asked["a"], m.Interrupt)
        table.answer("a", m.Removed, True)
    assert table.others[-1] == m.Finish(Fault("stopped", "Ctrl-C"))
    assert sorted(table.closed()) == [(1, "withdrawn", ""), (2, "withdrawn", "")]
    assert not any(isinstance(one, m.RowSetAside | m.RowDone) for one in table.notes)


def test_a_batch_without_hosts_ends_and_says_so():
    table = Table(rows=1, patience=replace(SHIPPED, hosts_gone=100.0))
    for _ in range(300):
        if "a" in table.asked:
            table.answer("a", m.RequestFailed, Fault("connection", "Nothing listens at a"))
        table.tell(None, 3.0)
        if table.scheduler.finished:
            break
    finish = table.others[-1]
    assert isinstance(finish, m.Finish)
    assert "Nothing listens at a" in present(finish.fault).message


def test_what_an_earlier_run_left_open_is_looked_for_before_anything_is_posted():
    table = Table(rows=0)
    table.scheduler = Scheduler(("a",), SHIPPED, lambda row, attempt: f"{row}.{attempt}", table.now)
    table.asked, table.notes = {}, []
    table.tell(None)
    left = m.OpenAttempt(1, "a", "1.1")
    table.tell(m.Loaded((m.OpenRow(1, 1, {}, (left,)),), last=True))
    table.seen("a")
    table.seen("a", ended={"1.1": None})
    assert isinstance(table.asked["a"], m.Collect)
    assert table.posts() == []


def test_files_that_were_fetched_before_the_end_need_no_host():
    table = Table(rows=0)
    table.scheduler = Scheduler(("a",), SHIPPED, lambda row, attempt: f"{row}.{attempt}", table.now)
    table.tell(None)
    left = m.OpenAttempt(1, "a", "1.1", saving=True)
    table.tell(m.Loaded((m.OpenRow(1, 1, {}, (left,)),), last=True))
    assert m.Keep(1, 1) in table.others
    table.tell(m.Kept(1, 1))
    assert table.notes[-1] == m.RowDone(1, 1)


def test_memory_follows_what_is_open_and_not_what_is_done():
    table = Table(rows=1)
    board = table.scheduler.board
    table.seen("a")
    table.answer("a", m.PostAccepted)
    table.seen("a", ended={"1.1": None})
    table.answer("a", m.FilesFetched, 1, 1, ())
    table.tell(m.Kept(1, 1))
    assert not (board.rows or board.fresh or board.again)
    assert not any(host.open or host.ghosts for host in board.hosts.values())


def test_a_row_goes_to_the_host_that_has_its_subject_as_long_as_there_is_room():
    table = Table(4, ("a", "b"), portraits=4)
    table.seen("a")  # it could take a row, and lacks the subject
    assert table.posts() == []
    table.seen("b", has=["mina"])
    table.answer("b", m.PostAccepted)
    table.answer("b", m.PostAccepted)
    assert table.posts() == [(1, "b"), (2, "b"), (3, "a")]  # b is full: the subject is worth its way


def test_a_row_is_not_taken_back_for_a_host_that_would_not_get_it():
    """Host b has the subject too, and room: the row would go there, be taken back for host c again, and so for ever."""
    table = Table(3, ("a", "b", "c"), portraits=3)
    table.seen("a", has=["mina"])
    table.answer("a", m.PostAccepted)
    table.answer("a", m.PostAccepted)
    table.seen("b", has=["mina"])
    table.answer("b", m.PostAccepted)
    table.seen("c")
    for _ in range(20):
        table.seen("a", ["1.1"], ["2.1"], has=["mina"])
        table.seen("b", ["3.1"], has=["mina"])
    assert table.posts() == [(1, "a"), (2, "a"), (3, "b")]


def test_a_row_whose_subject_was_not_taken_is_not_taken_back_for_the_host_that_did_not_take_it():
    table = Table(3, ("a", "b"), portraits=3)
    table.seen("b", has=["mina"])
    table.answer("b", m.PostAccepted)
    table.answer("b", m.PostAccepted)
    table.seen("a")
    table.answer("a", m.RequestFailed, Fault("subject", "there is another mina"))
    table.seen("b", ["2.1"], ended={"1.1": None}, has=["mina"])
    table.answer("b", m.FilesFetched, 1, 1, ())
    table.tell(None, SHIPPED.rules["subject"].delay)
    if isinstance(table.asked.get("b"), m.Look):
        table.answer("b", m.Seen, ("2.1",), (), {}, frozenset(["mina"]))
    assert table.posts()[-1] == (3, "b")
    table.answer("b", m.PostAccepted)
    for _ in range(40):
        if isinstance(table.asked.get("a"), m.Look):
            table.answer("a", m.Seen, (), (), {})
        table.seen("b", ["2.1"], ["3.2"], after=SHIPPED.bring_pause / 20, has=["mina"])
    assert table.posts()[-1] == (3, "b")
    assert table.closed() == [(3, "failed", "subject")]


def test_a_host_to_which_a_subject_was_brought_is_as_good_as_any():
    table = Table(6, ("a", "b"), portraits=6)
    table.seen("b", has=["mina"])
    table.answer("b", m.PostAccepted)
    table.answer("b", m.PostAccepted)
    table.seen("a")
    table.answer("a", m.PostAccepted)
    assert [host for _, host in table.posts()] == ["b", "b", "a", "a"]
    assert table.scheduler.board.hosts["a"].has == {"mina"}


def test_a_host_that_does_not_take_a_subject_gets_other_rows_and_is_asked_again_later():
    table = Table(5, ("a", "b"), portraits=4)
    table.seen("b", has=["mina"])
    table.answer("b", m.PostAccepted)
    table.answer("b", m.PostAccepted)
    table.seen("a")
    assert table.posts()[-1] == (3, "a")
    table.answer("a", m.RequestFailed, Fault("subject", "there is another mina"))
    assert table.closed() == [(3, "failed", "subject")]
    assert table.scheduler.views()[0].up  # it is not to blame
    assert table.posts()[-1] == (5, "a")  # not 4: she is not taken here, and 5 needs nobody
    table.answer("a", m.PostAccepted)
    table.tell(None, SHIPPED.bring_pause / 2)
    assert (4, "a") not in table.posts()
    table.tell(None, SHIPPED.bring_pause)
    table.seen("a", ["5.1"])
    assert table.posts()[-1] == (4, "a")


def test_a_row_is_not_set_aside_while_a_host_that_has_its_subject_is_busy():
    """Host b works on rows 1 and 2 for hours; the others do not take the subject of row 3, however often in turn."""
    table = Table(3, ("a", "b", "c"), portraits=3)
    table.seen("b", has=["mina"])
    table.answer("b", m.PostAccepted)
    table.answer("b", m.PostAccepted)
    table.seen("b", ["1.1", "2.1"], has=["mina"])
    table.seen("a")
    table.seen("c")
    tries, running, ended = SHIPPED.rules["subject"].retries + 2, ("1.1", "2.1"), {}
    while table.posts().count((3, "b")) == 0:
        assert table.now < 10_000.0
        if table.closed().count((3, "failed", "subject")) == tries:
            running, ended = ("2.1",), {"1.1": None}
        asked = table.asked.get("b")
        if isinstance(asked, m.Look):
            table.answer("b", m.Seen, running, (), ended, frozenset(["mina"]))
        elif isinstance(asked, m.Collect):
            table.answer("b", m.FilesFetched, 1, 1, ())
        for host in ("a", "c"):
            if isinstance(table.asked.get(host), m.Post):
                table.answer(host, m.RequestFailed, Fault("subject", "there is another mina"))
            elif isinstance(table.asked.get(host), m.Look):
                table.answer(host, m.Seen, (), (), {})
        table.tell(m.Heard("b", "2.1"), 2.0)
    assert table.closed() == [(3, "failed", "subject")] * tries
    assert not any(isinstance(one, m.RowSetAside) for one in table.notes)


def test_a_row_whose_subject_nobody_can_give_is_set_aside_in_the_end():
    table = Table(1, portraits=1)
    for _ in range(SHIPPED.rules["subject"].retries + 1):
        for _ in range(1000):
            if isinstance(table.asked.get("a"), m.Post):
                break
            if isinstance(table.asked.get("a"), m.Look):
                table.answer("a", m.Seen, (), (), {})
            else:
                table.tell(None, table.scheduler.wake())
        table.answer("a", m.RequestFailed, Fault("subject", "nobody has it"))
    assert [one.fault.kind for one in table.notes if isinstance(one, m.RowSetAside)] == ["subject"]
    assert table.now > 1000
