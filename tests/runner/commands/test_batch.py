"""`portrait-studio batch` from end to end, against scripted hosts and a real one."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ...hostile.scripted import OBJECT_INFO, PROMPT, STATS, ScriptedHost, body
from ...present import present
from ..command import invoke, one_sentence

ROOT = Path(__file__).parents[3]


@pytest.fixture
def prompt(tmp_path):
    path = tmp_path / "prompt.json"
    path.write_text(json.dumps(PROMPT), "utf-8")
    return path


def events(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_matrix_on_two_hosts_is_made_and_every_picture_has_its_record(tmp_path, prompt):
    out = tmp_path / "out"
    with ScriptedHost() as one, ScriptedHost() as other:
        answer = invoke(
            *("batch", "run", prompt, "--matrix", "1.color=1..12", "--out", out, "--json"),
            *("--host", one.url, "--host", other.url),
        )
        assert answer.exit_code == 0, answer.stderr
        posted = [*one.posted, *other.posted]
        assert 12 <= len(set(posted)) == len(posted)  # more where a host took over what waited at the other
        assert one.posted and other.posted
    heard = events(answer.stdout)
    assert sorted(event["row"] for event in heard if event["event"] == "row_done") == list(range(1, 13))
    assert heard[-1] == {
        "event": "batch_finished",
        **{"open": 0, "done": 12, "failed": 0, "cancelled": 0, "reason": ""},
    }
    assert len(list((out / "pictures").glob("*.png"))) == 12
    for row in range(1, 13):
        record = json.loads((out / "pictures" / f"{row:06d}.png.json").read_text("utf-8"))
        assert (record["row"], record["parameters"]) == (row, {"1.color": row})
        with Image.open(out / "pictures" / f"{row:06d}.png") as picture:
            assert picture.size == (64, 64)
    assert (out / "report.html").exists()
    assert "portrait_studio_rows" in (out / "metrics.prom").read_text("utf-8")


def test_a_table_with_bad_rows_queues_nothing_and_names_them_all(tmp_path, prompt):
    table = tmp_path / "night.csv"
    table.write_text("1.color;1.width\n1;64\nred;64\n2;9999999\n3\n", "utf-8")
    with ScriptedHost() as host:
        answer = invoke("batch", "run", prompt, table, "--out", tmp_path / "out", "--host", host.url)
        assert host.posted == []
    assert answer.exit_code == 3
    assert "row 2 (line 3)" in answer.stderr
    assert "row 4 (line 5)" in answer.stderr
    assert not (tmp_path / "out" / "batch.sqlite3").exists()


def test_a_row_that_the_host_refuses_is_set_aside_and_retried_on_request(tmp_path, prompt):
    out = tmp_path / "out"
    refusal = {"error": {"type": "x", "message": "no", "details": "such value"}, "node_errors": {}}
    with ScriptedHost() as host:
        host.lies["POST /prompt"] = body(refusal, status=400)
        answer = invoke("batch", "run", prompt, "--matrix", "1.color=1,2", "--out", out, "--host", host.url)
        assert answer.exit_code == 16
        assert "2 rows were set aside" in answer.stderr
        status = invoke("batch", "status", out, "--json")
        assert events(status.stdout)[0]["reasons"] == {"refused": 2}
        host.lies.clear()
        assert invoke("batch", "retry", out).exit_code == 0
        assert invoke("batch", "resume", out).exit_code == 0
        assert len(host.posted) == 2
    assert invoke("batch", "resume", out, "--host", "http://127.0.0.1:9").exit_code == 0  # nothing is left to do


def test_an_export_has_a_line_for_every_row(tmp_path, prompt):
    out = tmp_path / "out"
    with ScriptedHost() as host:
        invoke("batch", "run", prompt, "--matrix", "1.color=1..3", "--out", out, "--host", host.url)
    assert invoke("batch", "export", out, "--out", tmp_path / "all.csv").exit_code == 0
    with (tmp_path / "all.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["state"], row["files"], row["1.color"]) for row in rows] == [
        ("done", f"00000{number}.png", str(number)) for number in (1, 2, 3)
    ]
    assert all(len(row["sha256"]) == 64 for row in rows)


def test_a_picture_that_is_gone_is_made_again_when_asked(tmp_path, prompt):
    out = tmp_path / "out"
    with ScriptedHost() as host:
        invoke("batch", "run", prompt, "--matrix", "1.color=1..3", "--out", out, "--host", host.url)
        (out / "pictures" / "000002.png").write_bytes(b"torn")
        assert invoke("batch", "resume", out, "--verify").exit_code == 0
        assert len(host.posted) == 4
    with Image.open(out / "pictures" / "000002.png") as picture:
        picture.load()


def test_hosts_that_differ_are_refused_up_front(tmp_path, prompt):
    other_stats = {**STATS, "system": {**STATS["system"], "comfyui_version": "0.4.0"}}
    fewer = {**OBJECT_INFO["EmptyImage"], "input": {"required": {"color": ["STRING", {}], "width": ["INT", {}]}}}
    lies: list[dict[str, Any]] = [{"stats": other_stats}, {"object_info": {**OBJECT_INFO, "EmptyImage": fewer}}]
    for lie in lies:
        with ScriptedHost() as one, ScriptedHost(**lie) as other:
            answer = invoke(
                *("batch", "run", prompt, "--matrix", "1.color=1", "--out", tmp_path / "out"),
                *("--host", one.url, "--host", other.url),
            )
        assert answer.exit_code == 16
        assert "The hosts differ" in answer.stderr
        assert one_sentence(answer.stderr)


def pack(version: str, **inputs: list) -> dict:
    """What a host with this pack declares, and the web file that tells the pack's version."""
    node = {**OBJECT_INFO["EmptyImage"], "python_module": "custom_nodes.portrait-studio"}
    node = {**node, "input": {"required": {"image": ["IMAGE"], **inputs}}}
    lies = {"GET /extensions/portrait-studio/version.json": body({"version": version})}
    return {"object_info": {**OBJECT_INFO, "PortraitFaceCrop": node}, "lies": lies}


def test_hosts_whose_packs_differ_are_refused_in_one_sentence_unless_that_is_allowed(tmp_path, prompt):
    rows = ("batch", "run", prompt, "--matrix", "1.color=1", "--out", tmp_path / "out")
    for there, words in (
        (pack("0.2.0"), "the Portrait Studio pack is 0.1.0 at {} and 0.2.0 at {}"),
        (pack("0.1.0", size=["INT", {}]), "how our nodes are declared is"),
        ({}, "the Portrait Studio pack is 0.1.0 at {} and not loaded at {}"),
    ):
        with ScriptedHost(**pack("0.1.0")) as one, ScriptedHost(**there) as other:
            hosts = ("--host", one.url, "--host", other.url)
            answer = invoke(*rows, *hosts)
            assert answer.exit_code == 16
            assert words.format(one.url, other.url) in " ".join(answer.stderr.split())
            assert one_sentence(answer.stderr)
            assert one.posted == other.posted == []
            if there.get("lies") and there["object_info"] == pack("")["object_info"]:
                allowed = invoke(*rows[:-1], tmp_path / "allowed", *hosts, "--allow-differences")
                assert allowed.exit_code == 0, allowed.stderr
                assert "pictures may depend on where they are made" in " ".join(allowed.stderr.split())


def test_a_host_that_is_unlike_the_others_takes_no_part_in_a_resumed_batch(tmp_path, prompt):
    out, older = tmp_path / "out", {**STATS, "system": {**STATS["system"], "comfyui_version": "0.3.0"}}
    with ScriptedHost() as one, ScriptedHost(stats=older) as other:
        one.lies["POST /prompt"] = body({"error": "no", "node_errors": {}}, status=400)
        invoke("batch", "run", prompt, "--matrix", "1.color=1..6", "--out", out, "--host", one.url)
        one.lies.clear()
        invoke("batch", "retry", out)
        answer = invoke("batch", "resume", out, "--host", one.url, "--host", other.url)
        assert answer.exit_code == 0, answer.stderr
        assert (len(one.posted), other.posted) == (6, [])


def test_a_photo_is_uploaded_once_a_host_whatever_rows_it_is_in(tmp_path):
    graph = tmp_path / "photo.json"
    load = {"class_type": "LoadImage", "inputs": {"image": "photo.png"}}
    graph.write_text(json.dumps({"1": load, "9": {**PROMPT["9"]}}), "utf-8")
    for name in ("a", "b"):
        Image.new("RGB", (8, 8), (ord(name), 0, 0)).save(tmp_path / f"{name}.png")
    rows = [{"9.filename_prefix": f"row{number}", "photo": f"{'ab'[number % 2]}.png"} for number in range(6)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with ScriptedHost() as host:
        answer = invoke("batch", "run", graph, tmp_path / "rows.jsonl", "--out", tmp_path / "o", "--host", host.url)
        assert answer.exit_code == 0, answer.stderr
        assert host.requests.count("POST /upload/image") == 2
        assert len(host.posted) == 6


def test_hosts_may_stand_in_a_file(tmp_path, prompt):
    with ScriptedHost() as host:
        hosts = tmp_path / "hosts.txt"
        hosts.write_text(f"# the cellar\n{host.url}/\n\n", "utf-8")
        answer = invoke("batch", "run", prompt, "--matrix", "1.color=1", "--out", tmp_path / "o", "--host", hosts)
    assert answer.exit_code == 0, answer.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 3, "takes its rows from a table, or from --matrix"),
        (("table.csv", "--matrix", "1.color=1"), 3, "not of the form"),
        (("--matrix", "1.colour=1"), 3, "did you mean"),
        (("--matrix", "1.color=1", "--webhook", "http://127.0.0.1:9/"), 16, "needs a secret"),
        (("a.csv", "b.csv"), 3, "has one table"),
    ],
)
def test_what_makes_no_batch_is_refused(tmp_path, prompt, arguments, code, words):
    with ScriptedHost() as host:
        answer = invoke("batch", "run", prompt, *arguments, "--out", tmp_path / "out", "--host", host.url)
        assert host.posted == []
    assert answer.exit_code == code
    assert words in answer.stderr


def test_a_folder_without_a_batch_is_told_in_one_sentence(tmp_path):
    for command in ("resume", "status", "retry", "cancel", "export"):
        answer = invoke("batch", command, tmp_path)
        assert answer.exit_code == 1
        assert one_sentence(answer.stderr)
        assert "There is no batch in" in answer.stderr


def test_a_corrupt_state_is_told_in_one_sentence(tmp_path):
    (tmp_path / "batch.sqlite3").write_bytes(b"SQLite format 3\0" + b"\xff" * 4000)
    answer = invoke("batch", "resume", tmp_path)
    assert answer.exit_code == 1
    assert one_sentence(answer.stderr)


def test_a_record_names_what_stays_on_the_host(tmp_path, prompt):
    class Tempting(ScriptedHost):
        def entry(self, prompt_id: str) -> dict[str, Any]:
            found = super().entry(prompt_id)
            found["outputs"]["9"]["images"].append({"filename": "run.sh", "subfolder": "", "type": "output"})
            return found

    with Tempting() as host:
        answer = invoke("batch", "run", prompt, "--matrix", "1.color=1", "--out", tmp_path / "out", "--host", host.url)
    assert answer.exit_code == 0, answer.stderr
    record = json.loads((tmp_path / "out" / "pictures" / "000001.png.json").read_text("utf-8"))
    assert record["warnings"] == ["'run.sh' stays on the host: no such files are fetched"]


def running(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "portrait_studio.runner", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_runners_on_one_batch_are_one_too_many_and_ctrl_c_leaves_the_rest_for_later(tmp_path, prompt):
    out = tmp_path / "out"
    with ScriptedHost(seconds=0.3) as host:
        first = running(
            *("batch", "run", prompt, "--matrix", "1.color=1..40", "--out", out, "--host", host.url, "--json"),
        )
        lines = present(first.stdout)
        heard = json.loads(lines.readline())
        while heard["event"] != "row_done":
            heard = json.loads(lines.readline())
        second = invoke("batch", "resume", out)
        assert second.exit_code == 1
        assert "is being run by another process" in second.stderr
        os.kill(first.pid, signal.SIGINT)
        _, told = first.communicate(timeout=60)
        assert first.returncode == 130, told
        with sqlite3.connect(out / "batch.sqlite3") as database:
            done = database.execute("SELECT COUNT(*) FROM rows WHERE state = 'done'").fetchone()[0]
            assert 0 < done < 40
            assert not database.execute("SELECT * FROM attempts WHERE state = 'failed'").fetchall()
        host.seconds = 0.0
        assert invoke("batch", "resume", out).exit_code == 0
        assert len(list((out / "pictures").glob("*.png"))) == 40


def test_cancel_stops_a_batch_that_runs(tmp_path, prompt):
    out = tmp_path / "out"
    with ScriptedHost(seconds=0.3) as host:
        first = running("batch", "run", prompt, "--matrix", "1.color=1..40", "--out", out, "--host", host.url, "--json")
        while json.loads(present(first.stdout).readline())["event"] != "row_done":
            pass
        assert invoke("batch", "cancel", out).exit_code == 0
        _, told = first.communicate(timeout=60)
        assert first.returncode == 16
        assert "was cancelled" in told
        counts = events(invoke("batch", "status", out, "--json").stdout)[0]
        assert counts["open"] == 0
        assert counts["cancelled"] > 0


@pytest.mark.host
def test_real_hosts_make_a_batch_of_a_real_graph(tmp_path, host, fresh):
    graph = tmp_path / "fresh.json"
    graph.write_text(json.dumps(fresh("night", seconds=0.1)), "utf-8")
    table = tmp_path / "night.jsonl"
    table.write_text("".join(json.dumps({"1.color": 1000 + number // 2}) + "\n" for number in range(8)), "utf-8")
    out = tmp_path / "out"
    answer = invoke("batch", "run", graph, table, "--out", out, "--host", host.url, "--json")
    assert answer.exit_code == 0, answer.stderr
    records = [json.loads((out / "pictures" / f"{row:06d}.png.json").read_text("utf-8")) for row in range(1, 9)]
    assert [record["reused"] for record in records] == [False, True] * 4  # each row is there twice
    assert all(record["seconds"] > 0 for record in records[::2])
    assert all(record["host"]["torch"] for record in records)
