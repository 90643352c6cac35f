"""Models that graphs need: found in a host's folders, told with size and licence, fetched over real https."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from portrait_studio.runner.assets.folders import relative
from portrait_studio.runner.client.errors import PromptError, exit_code

from ...hostile.file_server import FileServer
from ..assets.fetching import BODY, SHA
from ..command import invoke, one_sentence

YES = ("--yes", "--allow-private")  # the server is on this machine


@pytest.fixture
def write(tmp_path):
    """Write a graph that requires these models."""

    def make(*models: dict) -> Path:
        studio = {"name": "wants", "version": "1.0.0", "requires": {"models": list(models)}}
        file = tmp_path / "wants.v1.json"
        file.write_text(json.dumps({"version": 0.4, "nodes": [], "links": [], "extra": {"portrait_studio": studio}}))
        return file

    return make


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A certificate for 127.0.0.1 with its key, in one file."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed: no https server can be had here")
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(file), "-out", f"{file}.crt"]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


@pytest.fixture
def server(certificate, monkeypatch):
    """The server of the download tests, over https with a certificate that this process trusts."""
    server = FileServer(BODY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    server.url = server.url.replace("http://", "https://")
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def model(server) -> dict:
    size = {"sha256": SHA, "size": len(BODY), "license": "CC-BY-NC-SA-4.0"}
    return {"role": "upscaler", "folder": "upscale_models", "file": "x4.safetensors", "url": server.url, **size}


def test_a_missing_model_is_shown_asked_about_and_fetched(installation, write, model):
    graph = write(model)
    answer = invoke("models", "get", graph, "--comfyui", installation)
    assert answer.exit_code == exit_code("download")
    assert "nobody said yes" in answer.stderr
    for words in ("x4.safetensors", "10.2 MB", "CC-BY-NC-SA-4.0", "127.0.0.1"):
        assert words in answer.stderr
    assert list((installation / "models" / "upscale_models").iterdir()) == []
    answer = invoke("models", "get", graph, "--comfyui", installation, *YES)
    assert answer.exit_code == 0, answer.stderr
    assert (installation / "models" / "upscale_models" / "x4.safetensors").read_bytes() == BODY
    again = invoke("models", "get", graph, "--comfyui", installation)
    assert again.exit_code == 0
    assert "none is missing" in again.stderr


def test_a_model_that_must_not_be_used_commercially_needs_more_than_a_yes(installation, write, model, server):
    graph = write({**model, "non_commercial": True})
    answer = invoke("models", "get", graph, "--comfyui", installation, *YES)
    assert answer.exit_code == exit_code("download")
    assert "NON-COMMERCIAL" in answer.stderr
    assert "--accept-non-commercial" in answer.stderr
    assert server.asked == []
    answer = invoke(
        "models",
        "get",
        graph,
        "--comfyui",
        installation,
        "--yes",
        "--accept-non-commercial",
        "--json",
        "--allow-private",
    )
    assert answer.exit_code == 0
    events = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [event["event"] for event in events] == ["model", "fetched"]
    assert events[0]["state"] == "missing"


def test_a_model_goes_into_the_folder_that_the_host_searches_first(installation, write, model, tmp_path):
    pytest.importorskip("yaml")
    (installation / "extra_model_paths.yaml").write_text(
        "shared:\n  base_path: ../store\n  is_default: true\n  upscale_models: |\n    ESRGAN\n    RealESRGAN\n"
    )
    answer = invoke("models", "get", write(model), "--comfyui", installation, *YES)
    assert answer.exit_code == 0, answer.stderr
    # The host, too, puts each line in front of the one before.
    assert (tmp_path / "store" / "RealESRGAN" / "x4.safetensors").read_bytes() == BODY


def test_a_redirect_from_https_to_http_is_not_followed(installation, write, model, server):
    plain = FileServer(BODY)
    server.location = plain.url
    answer = invoke("models", "get", write(model), "--comfyui", installation, *YES)
    assert answer.exit_code == exit_code("download")
    assert "not https" in answer.stderr
    assert plain.asked == []
    assert list((installation / "models" / "upscale_models").iterdir()) == []
    plain.http.shutdown()


def test_a_certificate_that_nobody_vouches_for_is_refused(installation, write, model, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setattr("portrait_studio.runner.assets.download.ATTEMPTS", 1)
    answer = invoke("models", "get", write(model), "--comfyui", installation, *YES)
    assert answer.exit_code == exit_code("download")
    assert "CERTIFICATE_VERIFY_FAILED" in answer.stderr


@pytest.fixture
def stopped(installation, certificate):
    """Press Ctrl-C while a graph's model is fetched, once `begun` holds; return what was said after the table."""
    if os.name != "posix":
        pytest.skip("NOT TESTED: another signal stops a command on Windows")

    def stop(graph: Path, begun: Callable[[], bool]) -> list[str]:
        command = [sys.executable, "-m", "portrait_studio.runner", "models", "get", graph, "--comfyui", installation]
        with subprocess.Popen([*map(str, command), *YES], stderr=subprocess.PIPE, text=True) as process:
            try:
                end = time.monotonic() + 60
                while not begun():
                    assert process.poll() is None and time.monotonic() < end
                    time.sleep(0.01)
                process.send_signal(signal.SIGINT)
                said = process.communicate(timeout=60)[1]
            finally:
                process.kill()
        assert process.returncode == exit_code("interrupted")
        return [line for line in said.splitlines() if line[:1] not in "┏┃┡│└"]

    return stop


def test_ctrl_c_keeps_what_there_is_for_the_next_call(installation, write, model, server, stopped):
    server.pace = 0.02
    graph = write(model)
    part = installation / "models" / "upscale_models" / "x4.safetensors.part"
    said = stopped(graph, lambda: part.exists() and part.stat().st_size > 1_000_000)
    assert said == ["What there is of x4.safetensors is kept, and the next call goes on with it.", "Stopped."]
    assert {file.name for file in part.parent.iterdir()} == {part.name, f"{part.name}.json"}
    server.pace, had = 0.0, part.stat().st_size
    answer = invoke("models", "get", graph, "--comfyui", installation, *YES)
    assert answer.exit_code == 0
    assert server.asked[-1] == f"bytes={had}-"
    assert [file.name for file in part.parent.iterdir()] == ["x4.safetensors"]


@pytest.mark.parametrize("how", ["it drips", "it gives no version of the file"])
def test_ctrl_c_leaves_nothing_of_a_file_that_could_not_be_gone_on_with(
    installation, write, model, server, stopped, how
):
    folder = installation / "models" / "upscale_models"
    part = folder / "x4.safetensors.part"
    if how == "it drips":
        server.piece, server.pace, enough = 100, 0.05, 0
    else:
        server.tag, server.pace, enough = "", 0.02, 1_000_000
    assert stopped(write(model), lambda: bool(server.sent) and part.stat().st_size >= enough) == ["Stopped."]
    assert list(folder.iterdir()) == []


def test_one_model_that_cannot_be_had_does_not_keep_the_others_away(installation, write, model):
    by_hand = {"role": "checkpoint", "folder": "checkpoints", "file": "b.safetensors", "source": "ask Anna"}
    unchecked = {**by_hand, "file": "c.safetensors", "url": "https://127.0.0.1:1/c.safetensors"}
    answer = invoke("models", "get", write(by_hand, unchecked, model), "--comfyui", installation, *YES)
    assert answer.exit_code == exit_code("download")
    assert "ask Anna" in answer.stderr
    assert "c.safetensors cannot be checked" in answer.stderr
    assert (installation / "models" / "upscale_models" / "x4.safetensors").exists()


def test_what_a_graph_can_do_without_is_fetched_when_asked_for(installation, write, model):
    graph = write({**model, "optional": True})
    assert "none is missing" in invoke("models", "get", graph, "--comfyui", installation).stderr
    answer = invoke("models", "get", graph, "--comfyui", installation, "--optional", *YES)
    assert answer.exit_code == 0
    assert (installation / "models" / "upscale_models" / "x4.safetensors").exists()


def test_a_model_of_the_right_name_and_wrong_hash_is_told_and_left_alone(installation, write, model):
    file = installation / "models" / "upscale_models" / "x4.safetensors"
    file.write_bytes(b"!" * len(BODY))
    answer = invoke("models", "get", write(model), "--comfyui", installation, *YES)
    assert answer.exit_code == exit_code("download")
    assert "has other content" in answer.stderr
    assert file.read_bytes() == b"!" * len(BODY)


@pytest.mark.parametrize(
    "name", ["../../x.safetensors", "/etc/x.safetensors", "C:/x.safetensors", "a/../../x", "..\\x"]
)
def test_a_name_that_leads_out_of_its_folder_is_refused(installation, write, name):
    with pytest.raises(PromptError, match="points outside"):
        relative(name)
    graph = write({"role": "x", "folder": "vae", "file": name, "url": "https://127.0.0.1/x", "sha256": SHA})
    answer = invoke("models", "get", graph, "--comfyui", installation, *YES)
    assert answer.exit_code == exit_code("graph")
    assert one_sentence(answer.stderr)


@pytest.mark.parametrize(
    "folder", ["../../x", "/etc", "vae/../../x", ".hidden", "C:/x", "x" * 300, "a\x1b[2Jb", "vae/\0"]
)
def test_a_folder_that_leads_out_of_models_is_refused_by_the_command_and_told_by_the_doctor(
    installation, write, folder, server
):
    outside = installation / "x" / "a.safetensors"
    outside.parent.mkdir()
    outside.write_bytes(b"mine")
    graph = write({"role": "x", "folder": folder, "file": "a.safetensors", "url": server.url, "sha256": SHA})
    answer = invoke("models", "get", graph, "--comfyui", installation, *YES)
    assert answer.exit_code == exit_code("graph")
    assert one_sentence(answer.stderr)
    assert server.asked == []
    told = invoke("doctor", graph, "--comfyui", installation, "--hashes", "--json")
    assert told.exit_code == exit_code("doctor")
    assert "points outside its folder" in told.stdout
    assert [path.name for path in outside.parent.iterdir()] == ["a.safetensors"]


def test_what_nodes_list_is_held_to_the_same_names(installation, tmp_path):
    listed = {"name": "a.safetensors", "directory": "../../x", "url": "https://127.0.0.1:1/a", "hash": SHA}
    node = {"id": 1, "type": "VAELoader", "properties": {"models": [listed | {"hash_type": "SHA256"}]}}
    graph = tmp_path / "listed.json"
    graph.write_text(json.dumps({"version": 0.4, "nodes": [node], "links": []}))
    answer = invoke("models", "get", graph, "--comfyui", installation, *YES)
    assert answer.exit_code == exit_code("graph")
    assert not (tmp_path / "x").exists()


def test_a_server_on_this_machine_is_not_asked_unless_allowed(installation, write, model, server):
    answer = invoke("models", "get", write(model), "--comfyui", installation, "--yes")
    assert answer.exit_code == exit_code("download")
    assert "this machine or of its own network" in answer.stderr
    assert server.asked == []


def test_a_folder_without_a_comfyui_is_refused_in_one_sentence(tmp_path, write):
    answer = invoke("models", "get", write(), "--comfyui", tmp_path)
    assert answer.exit_code == exit_code("host")
    assert one_sentence(answer.stderr)
