"""What a batch leaves for people and for Prometheus."""

from __future__ import annotations

import html.parser
import re

from portrait_studio.runner.batch import KeptFile, State, Tally, ranked, write_metrics, write_report
from portrait_studio.runner.batch.grid import varied
from portrait_studio.runner.batch.news import RowFailed, RowFinished
from portrait_studio.runner.batch.state import NAME
from portrait_studio.runner.scheduling import Fault, HostView
from portrait_studio.runner.scheduling import messages as m

EVIL = '"><script>alert(1)</script>'


def batch(folder, rows: int = 3) -> State:
    settings = [{"settings": {"tone": EVIL, "seed": number}} for number in range(rows)]
    state = State.create(folder / NAME, {"graph": "graph.json"}, settings)
    file = KeptFile(0, "000001.png", "ab", 5, "cd", "upscale", 0.71)
    state.write([m.AttemptOpened(1, 1, "a", "x"), m.AttemptSaving(1, 1, (file,)), m.RowDone(1, 1)])
    fault = Fault("node", EVIL)
    state.write([m.AttemptOpened(2, 1, "a", "y"), m.AttemptClosed(2, 1, "failed", fault), m.RowSetAside(2, fault)])
    return state


class Tags(html.parser.HTMLParser):
    """The names of all tags, and all links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]


def test_the_report_shows_what_is_done_and_what_failed_and_runs_nothing(tmp_path):
    with batch(tmp_path) as state:
        tally = Tally(3, done=1, failed=1)
        tally.hosts = [HostView(EVIL, False, EVIL, 0, 1, 2.5)]
        write_report(tmp_path, state, tally, running=True)
    for name in ("report.html", "report-1.html"):
        text = (tmp_path / name).read_text("utf-8")
        page = Tags(text)
        assert "script" not in page.tags
        assert "default-src 'none'" in text
        assert all("://" not in link for link in page.links)
    sheet = (tmp_path / "report-1.html").read_text("utf-8")
    assert "likeness 0.71" in sheet
    assert "pictures/000001.png.json" in Tags(sheet).links
    assert "portrait-studio rerun pictures/000001.png" in sheet
    assert "set aside" in sheet
    assert "1 of 3 rows done, 1 set aside" in (tmp_path / "report.html").read_text("utf-8")


def test_a_long_batch_has_several_pages_that_lead_to_each_other(tmp_path):
    with batch(tmp_path, rows=450) as state:
        write_report(tmp_path, state, Tally(450, done=1, failed=1), running=False)
    assert {"report-1.html", "report-2.html", "report-3.html"} <= {file.name for file in tmp_path.iterdir()}
    links = Tags((tmp_path / "report-2.html").read_text("utf-8")).links
    assert {"report.html", "report-1.html", "report-3.html"} <= set(links)
    assert "refresh" not in (tmp_path / "report.html").read_text("utf-8")


def test_metrics_are_what_prometheus_reads(tmp_path):
    tally = Tally(9, done=2)
    tally(RowFinished(3, "a", ("x.png", "y.png"), 1.5, None))
    tally(RowFailed(4, "node", "ValueError"))
    tally.hosts = [HostView('ho"st\n', True, "", 0, 3, 1.0)]
    write_metrics(tmp_path, tally)
    lines = (tmp_path / "metrics.prom").read_text("utf-8").splitlines()
    sample = re.compile(r'[a-z_]+\{[a-z]+="([^"\\]|\\.)*"(,[a-z]+="([^"\\]|\\.)*")*\} [0-9.]+')
    assert all(line.startswith("# ") or sample.fullmatch(line) for line in lines)
    text = "\n".join(lines)
    assert 'state="done"} 3' in text
    assert 'state="open"} 5' in text
    assert 'reason="node"} 1' in text


def test_the_time_that_is_left_follows_the_speed_of_the_last_minutes():
    now = 0.0
    tally = Tally(100, clock=lambda: now)
    assert tally.remaining is None
    for row in range(1, 11):
        now += 6.0
        tally(RowFinished(row, "a", ("x.png",), 6.0, None))
    assert tally.pictures_a_minute == 10.0
    assert tally.remaining == 90 * 6.0


def over_axes(folder, poses=("head-front", "half-waving"), tones=("warm-film", EVIL), seeds=(1, 2)) -> State:
    settings = [{"pose": pose, "tone": tone, "seed": seed} for pose in poses for tone in tones for seed in seeds]
    return State.create(folder / NAME, {"graph": "graph.json"}, ({"settings": one} for one in settings))


def done(state: State, row: int, likeness: float | None) -> None:
    first = KeptFile(0, f"{row:06d}-tone.png", "ab", 5, "cd", "tone", 0.99)
    last = KeptFile(1, f"{row:06d}-upscale.png", "ab", 5, "cd", "upscale", likeness)
    state.write([m.AttemptOpened(row, 1, "a", f"id-{row}"), m.AttemptSaving(row, 1, (first, last)), m.RowDone(row, 1)])


def test_the_grid_has_poses_down_tones_across_and_the_seeds_in_each_cell(tmp_path):
    with over_axes(tmp_path) as state:
        done(state, 1, 0.60)
        done(state, 2, 0.80)
        fault = Fault("node", EVIL)
        state.write([m.AttemptOpened(8, 1, "a", "z"), m.AttemptClosed(8, 1, "failed", fault), m.RowSetAside(8, fault)])
        write_report(tmp_path, state, Tally(8, done=2, failed=1), running=False)
    text = (tmp_path / "grid.html").read_text("utf-8")
    page = Tags(text)
    assert "script" not in page.tags
    assert page.tags.count("tr") == 3
    assert page.tags.count("td") == 4
    assert "likeness 0.60 (2)" in text
    assert "likeness 0.80 (1)" in text
    assert "seed 1" in text
    assert {"graph.json", "pictures/000002-upscale.png.json"} <= set(page.links)
    assert "portrait-studio rerun pictures/000002-upscale.png" in text
    assert f"portrait-studio batch retry {tmp_path.name} 8" in text
    assert 'href="grid.html"' in (tmp_path / "report.html").read_text("utf-8")


def test_the_most_alike_are_ranked_by_the_last_picture_of_a_row(tmp_path):
    with over_axes(tmp_path) as state:
        for row, likeness in ((1, 0.5), (2, None), (3, 0.7)):
            done(state, row, likeness)
        assert [(one.row, one.name) for one in ranked(state)] == [
            (3, "000003-upscale.png"),
            (1, "000001-upscale.png"),
            (2, "000002-upscale.png"),
        ]
        assert len(list(ranked(state, 1))) == 1


def test_a_parameter_that_changes_late_in_a_large_batch_is_seen_to_change(tmp_path):
    with over_axes(tmp_path, poses=("a", "b"), tones=("c",), seeds=range(1, 300)) as state:
        assert varied(state) == ["pose", "seed"]


def test_a_batch_without_anything_that_varies_has_no_grid(tmp_path):
    settings = [{"settings": {"seed": 1}} for _ in range(3)]
    with State.create(tmp_path / NAME, {"graph": "graph.json"}, settings) as state:
        write_report(tmp_path, state, Tally(3), running=False)
    assert not (tmp_path / "grid.html").exists()
    assert "grid.html" not in (tmp_path / "report.html").read_text("utf-8")
