"""The command line as a person and as a program use it; every exit code that is documented is reached."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from portrait_studio.runner.client.client import Client
from portrait_studio.runner.client.errors import EXIT_CODES

from ...present import present
from ..command import invoke, one_sentence

pytestmark = pytest.mark.host

ROOT = Path(__file__).parents[3]


def start(*arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "portrait_studio.runner", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")


def test_run_leaves_images_with_records_and_tells_how_it_went(graph, host, version, tmp_path):
    out = tmp_path / "결과 out"
    told = invoke("run", graph(), "--host", host.url, "--out", out)
    assert told.exit_code == 0, told.stderr
    assert told.stdout == ""
    assert "SaveImage" in told.stderr
    assert "done in" in told.stderr
    (image,) = out.glob("*.png")
    with Image.open(image) as opened:
        assert json.loads(opened.info["prompt"])["9"]["class_type"] == "SaveImage"
    record = json.loads(Path(f"{image}.json").read_text("utf-8"))
    assert record["graph"]["name"] == "초상 graph"
    assert record["host"]["version"] == version
    assert record["partial"] is record["reused"] is False


def test_json_is_one_event_a_line_and_nothing_else(graph, fresh, host, tmp_path):
    process = start("run", graph(fresh(seconds=0.3)), "--host", host.url, "--out", tmp_path / "o", "--json")
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    heard = [json.loads(line) for line in stdout.splitlines()]
    kinds = [event["event"] for event in heard]
    assert kinds[:2] == ["submitting", "accepted"]
    assert kinds[-2:] == ["image_saved", "finished"]
    assert {"started", "node_started", "node_progress", "node_finished"} <= set(kinds)
    assert len({event["prompt_id"] for event in heard}) == 1
    assert stderr == ""


def test_set_changes_an_input_of_an_api_graph_and_is_recorded(graph, fresh, host, tmp_path):
    prompt = fresh(seconds=0.01)
    told = invoke(
        *("run", graph(prompt), "--host", host.url, "--out", tmp_path / "o"),
        *("--set", "1.width=96", "--set", "A long look.seed=7"),
    )
    assert told.exit_code == 0, told.stderr
    (image,) = (tmp_path / "o").glob("*.png")
    with Image.open(image) as opened:
        assert opened.size == (96, 64)
    record = json.loads(Path(f"{image}.json").read_text("utf-8"))
    assert record["parameters"] == {"1.width": 96, "A long look.seed": 7}
    assert record["seeds"] == {"2.seed": 7}


def test_a_photo_goes_into_the_graph(graph, fresh, host, tmp_path):
    photo = tmp_path / "나의 photo.png"
    Image.new("RGB", (40, 30), (1, 2, 3)).save(photo)
    prompt = fresh()
    prompt["1"] = {"class_type": "LoadImage", "inputs": {"image": "example.png"}}
    told = invoke("run", graph(prompt), "--host", host.url, "--out", tmp_path / "o", "--photo", photo)
    assert told.exit_code == 0, told.stderr
    (image,) = (tmp_path / "o").glob("*.png")
    with Image.open(image) as opened:
        assert opened.size == (40, 30)
    assert "photo" not in Path(f"{image}.json").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "9.filename_prefx=a"], "filename_prefix"),
        (["--set", "width=9"], "node.input=value"),
        (["--set", "1.width"], "name=value"),
        (["--set", "1.width=wide"], "INT"),
        (["--set", "1.width=-5"], "width"),
        (["--set", "77.width=5"], "77"),
        (["--set", "9.filename_prefix=../../a"], "'..'"),
    ],
)
def test_bad_settings_are_named_before_anything_is_queued(graph, host, tmp_path, arguments, says):
    before = host.log.read_text("utf-8").count("got prompt")
    told = invoke("run", graph(), "--host", host.url, "--out", tmp_path / "o", *arguments)
    assert told.exit_code == EXIT_CODES["graph"]["code"]
    assert says in told.stderr
    assert one_sentence(told.stderr)
    assert host.log.read_text("utf-8").count("got prompt") == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "{}",
        "null",
        "3",
        '{"1": 2}',
        '{"a": {"class_type": 5}}',
        '{"a": {"class_type": "SaveImage", "inputs": [1]}}',
        "[" * 5000,
        '{"1": {"class_type": "NoSuchNode"}}',
    ],
)
def test_what_is_no_graph_is_refused_in_one_sentence(graph, host, tmp_path, text):
    told = invoke("run", graph(text), "--host", host.url, "--out", tmp_path / "o")
    assert told.exit_code == EXIT_CODES["graph"]["code"], (told.stderr, told.exception)
    assert one_sentence(told.stderr)
    told = invoke("check", graph(text), "--host", host.url)
    assert told.exit_code == EXIT_CODES["graph"]["code"], (told.stderr, told.exception)
    assert told.stderr


def test_each_failure_has_its_own_exit_code(graph, fresh, host, tmp_path):
    out = tmp_path / "o"
    run = ["run", graph(), "--host", host.url, "--out", out]
    (tmp_path / "bad.jpg").write_text("no picture")
    (tmp_path / "file").write_text("")
    failing = fresh()
    failing["5"] = {"class_type": "StudioTestFail", "inputs": {"image": ["1", 0]}}
    failing["9"]["inputs"]["images"] = ["5", 0]
    showing = fresh()
    showing["1"] = {"class_type": "LoadImage", "inputs": {"image": "any.png"}}
    show = ["run", graph(showing, "show.json"), "--host", host.url, "--out", out]
    seen = {
        "done": invoke(*run),
        "usage": invoke(*run, "--no-such-option"),
        "graph": invoke("run", tmp_path / "none.json", "--host", host.url, "--out", out),
        "photo": invoke(*show, "--photo", tmp_path / "bad.jpg"),
        "output": invoke("run", graph(), "--host", host.url, "--out", tmp_path / "file" / "below"),
        "address": invoke("run", graph(), "--host", "http://127.0.0.1:9", "--out", out),
        "job": invoke("run", graph(failing, "fails.json"), "--host", host.url, "--out", out),
        "timeout": invoke(
            *("run", graph(fresh(seconds=5.0), "slow.json"), "--host", host.url, "--out", out, "--timeout", "0.5")
        ),
    }
    assert {name: told.exit_code for name, told in seen.items()} == {name: EXIT_CODES[name]["code"] for name in seen}
    for name in seen.keys() - {"done", "usage", "job", "timeout"}:
        assert one_sentence(seen[name].stderr), name
    assert "bad.jpg" in seen["photo"].stderr
    assert "StudioTestFail (node 5) failed: the test node fails on purpose" in seen["job"].stderr


def test_a_failure_is_the_last_event_too(graph, tmp_path):
    told = invoke("run", graph(), "--host", "http://127.0.0.1:9", "--out", tmp_path / "o", "--json")
    (line,) = told.stdout.splitlines()
    event = json.loads(line)
    assert (event["event"], event["error"], event["exit_code"]) == ("failed", "nothing_there", 6)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_ctrl_c_cancels_our_job_and_no_other(graph, fresh, host, tmp_path, until, number, name):
    with Client(host.url) as other:
        ahead = other.submit(fresh(seconds=1.0))
        process = start(
            "run", graph(fresh(seconds=20.0, steps=200)), "--host", host.url, "--out", tmp_path / "o", "--json"
        )
        mine = json.loads(present(process.stdout).readline())["prompt_id"]
        behind = other.submit(fresh())
        until(lambda: mine in other.queue()[0], 30)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=20)
        assert process.returncode == EXIT_CODES[name]["code"], stderr
        assert "Traceback" not in stderr
        last = json.loads(stdout.splitlines()[-1])
        assert (last["event"], last["gone"]) == ("cancelled", True)
        assert other.follow(ahead, timeout=10).state == "success"
        assert other.follow(behind, timeout=10).state == "success"
        assert present(other.history(mine)).messages[-1][0] == "execution_interrupted"
    assert list((tmp_path / "o").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_disk_that_fills_up_while_images_arrive_leaves_nothing_half_done(graph, fresh, client, host, tmp_path):
    """The size limit of a process stands in for the end of the disk: the same failure at the same call."""
    buffer = io.BytesIO()
    Image.effect_noise((1600, 1600), 250).convert("RGB").save(buffer, "PNG")
    prompt = fresh()
    large = client.upload("large.png", buffer.getvalue(), "portrait-studio")
    prompt["7"] = {"class_type": "LoadImage", "inputs": {"image": large}}
    later = {"image": ["7", 0], "seconds": 0.2, "steps": 2, "seed": 0}
    prompt["6"] = {"class_type": "StudioTestSleep", "inputs": later}
    prompt["8"] = {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "large"}}
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_200_000, 1_200_000))\n"
        "from portrait_studio.runner.commands import main; main()"
    )
    out = tmp_path / "o"
    command = [sys.executable, "-c", script, "run", graph(prompt), "--host", host.url, "--out", str(out)]
    told = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert told.returncode == EXIT_CODES["output"]["code"], told.stderr
    assert "The output folder 'o' is full" in told.stderr
    assert "Traceback" not in told.stderr
    assert list(out.iterdir()) == []


def test_the_same_id_finds_the_job_again(graph, host, tmp_path):
    path = graph()
    run = ["run", path, "--host", host.url, "--id", f"client {tmp_path.name}", "--json"]
    first = invoke(*run, "--out", tmp_path / "a")
    before = host.log.read_text("utf-8").count("got prompt")
    again = invoke(*run, "--out", tmp_path / "b")
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert host.log.read_text("utf-8").count("got prompt") == before
    assert json.loads(again.stdout.splitlines()[0])["found"] is True
    assert len(list((tmp_path / "b").glob("*.png"))) == 1


def test_hosts_tells_what_is_there(host, version):
    told = invoke("hosts", host.url, "http://127.0.0.1:9", "--json")
    assert told.exit_code == EXIT_CODES["address"]["code"]
    there, nothing = map(json.loads, told.stdout.splitlines())
    assert there["version"] == version
    assert there["device"] == "cpu"
    assert (there["running"], there["pending"]) == (0, 0)
    assert nothing["error"] == "nothing_there"
    told = invoke("hosts", host.url)
    assert told.exit_code == 0
    assert host.url in told.stdout


def test_check_tells_every_finding_and_queues_nothing(graph, fresh, host):
    assert invoke("check", graph(), "--host", host.url).exit_code == 0
    prompt = fresh()
    prompt["9"]["inputs"]["filename_prefx"] = "a"
    prompt["1"]["inputs"]["width"] = -1
    told = invoke("check", graph(prompt), "--host", host.url, "--json")
    assert told.exit_code == EXIT_CODES["graph"]["code"]
    assert {json.loads(line)["kind"] for line in told.stdout.splitlines()} == {"input_unknown", "value"}


def test_graph_parameters_and_to_api_of_an_api_graph(graph, fresh, host, tmp_path):
    prompt = fresh() | {"lonely": {"class_type": "EmptyImage"}}
    told = invoke("graph", "parameters", graph(prompt), "--json")
    assert "9.filename_prefix" in [json.loads(line)["name"] for line in told.stdout.splitlines()]
    assert "1.width" in invoke("graph", "parameters", graph(prompt)).stdout
    target = tmp_path / "api.json"
    assert invoke("graph", "to-api", graph(prompt), "--host", host.url, "--out", target).exit_code == 0
    assert json.loads(target.read_text("utf-8")).keys() == {"1", "9"}
    told = invoke("graph", "to-api", graph(prompt), "--host", host.url)
    assert json.loads(told.stdout).keys() == {"1", "9"}


def test_the_exit_codes_are_documented():
    text = (ROOT / "docs" / "runner.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE))
    assert documented == {str(row["code"]): row["when"] for row in EXIT_CODES.values()}


def test_no_file_of_a_finished_command_is_left_in_tmp(tmp_path, graph, host):
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-m", "portrait_studio.runner", "run", graph(), "--host", host.url]
    subprocess.run([*command, "--out", str(tmp_path / "o")], env=environment, check=True, capture_output=True)
    assert list((tmp_path / "tmp").iterdir()) == []
