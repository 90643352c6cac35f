"""A batch on two real hosts of which one lacks the subject: it is brought there, checked, and nothing lies about."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from portrait_studio.portrait import parcels, subjects
from portrait_studio.portrait.disk import sha256
from portrait_studio.portrait.subjects import Subject, SubjectError
from portrait_studio.runner.batch import Order, TableError, begin
from portrait_studio.runner.client import Client, LocalHost
from portrait_studio.runner.graph import located
from portrait_studio.runner.jobs import bring

from ...nodes.test_subjects import graph as portrait
from ...nodes.test_subjects import lora
from ..command import invoke

pytestmark = pytest.mark.host

ROOT = Path(__file__).parents[3]
STORE = Path("models") / "portrait_studio" / "subjects"


@pytest.fixture(scope="module")
def other(start_host, tmp_path_factory) -> Iterator[LocalHost]:
    """A second ComfyUI, whose models, subjects and packs are in a folder of its own."""
    base = tmp_path_factory.mktemp("base")
    for name in ("custom_nodes", "models"):
        (base / name).mkdir()
    (base / "custom_nodes" / "portrait-studio").symlink_to(ROOT, target_is_directory=True)
    with start_host("--base-directory", str(base)) as running:
        yield running


@pytest.fixture
def stores(comfyui, other) -> tuple[Path, Path]:
    """Where the two hosts keep their subjects."""
    base = Path(other.process.args[other.process.args.index("--base-directory") + 1])
    return comfyui / STORE, base / STORE


@pytest.fixture
def subject(stores, tmp_path) -> Iterator[Callable[..., Subject]]:
    """Save a subject with a LoRA that shows in a store; it is gone from both afterwards: subject(store, name)."""
    made: set[str] = set()

    def make(store: Path, name: str = "", scale: float = 1.0) -> Subject:
        made_here = tmp_path / "lora.safetensors"
        tensors = lora("diffusion_model.time_embed.0", 1280, 320)
        save_file({key: np.asarray(value * np.float32(scale)) for key, value in tensors.items()}, made_here)
        faces = np.random.default_rng(1).random((2, 128)).astype(np.float32)
        name = name or f"batch 미나 {uuid.uuid4().hex[:8]}"
        made.add(name)
        return subjects.save(Subject(name, "m1na", "woman", made_here, faces, "sface"), store)

    yield make
    for store in stores:
        for name in made:
            shutil.rmtree(store / name, ignore_errors=True)


def remains(*hosts: LocalHost) -> list[Path]:
    """The files between the hosts that still hold something."""
    found = [file for host in hosts for file in (host.work / "temp").rglob(f"{parcels.FOLDER}/*")]
    return [file for file in found if file.stat().st_size]


def test_a_subject_is_brought_to_the_host_that_lacks_it_and_the_pictures_are_the_same(
    tmp_path, host, other, stores, subject
):
    person = subject(stores[0])
    prompt = tmp_path / "portrait.json"
    prompt.write_text(json.dumps(portrait(subject=person.name)), "utf-8")
    rows = tmp_path / "rows.csv"
    rows.write_text("sample.seed\n" + "".join(f"{seed}\n" for seed in (1, 2, 3, 4, 1, 2, 3, 4)), "utf-8")
    out = tmp_path / "out"
    answer = invoke(
        *("batch", "run", prompt, rows, "--out", out, "--json", "--depth", "1"),
        *("--host", host.url, "--host", other.url),
    )
    assert answer.exit_code == 0, answer.stderr
    heard = [json.loads(line) for line in answer.stdout.splitlines()]
    (brought,) = [event for event in heard if event["event"] == "subject_brought"]
    assert (brought["subject"], brought["host"], brought["source"]) == (person.name, other.url, host.url)
    done = {event["row"]: event["host"] for event in heard if event["event"] == "row_done"}
    assert set(done.values()) == {host.url, other.url}
    assert not [event for event in heard if event["event"] == "attempt_failed"]

    there = subjects.load(person.name, stores[1])
    assert person.lora and there.lora
    assert sha256(there.lora) == sha256(person.lora)
    assert there.references is not None
    assert np.array_equal(there.references, person.references)
    assert remains(host, other) == []

    for row in done:
        record = json.loads((out / "pictures" / f"{row:06d}.png.json").read_text("utf-8"))
        (used,) = [one for one in record["models"] if one["input"] == "subject"]
        assert used["sha256"] == sha256(person.lora)
    pictures = [np.array(Image.open(out / "pictures" / f"{row:06d}.png")) for row in range(1, 9)]
    assert all(np.array_equal(one, again) for one, again in zip(pictures[:4], pictures[4:], strict=True))
    with Client(host.url) as client:
        assert person.name not in json.dumps(client.queue())


def test_a_subject_of_any_host_can_be_named_in_the_rows(tmp_path, host, other, stores, subject):
    person = subject(stores[1])
    graph = located(Path("portrait-starter"))
    photo = next((ROOT / "pocket" / "subjects").rglob("*.jpg"))
    matrix = [f"subject={person.name},none", "seed=1,2"]
    with begin(Order(graph, [host.url, other.url], matrix=matrix, photos=[photo]), tmp_path) as state:
        assert [row.needs for row in state.load(9, 0).rows] == [{person.name}] * 2 + [set()] * 2
    choices = [f"subject={person.name}", "seed=1"]
    with pytest.raises(TableError):
        begin(Order(graph, [host.url], matrix=choices, photos=[photo]), tmp_path / "alone")


def test_two_subjects_of_one_name_are_refused_before_anything_is_queued(tmp_path, host, other, stores, subject):
    person = subject(stores[0])
    subject(stores[1], person.name, scale=2.0)
    prompt = tmp_path / "portrait.json"
    prompt.write_text(json.dumps(portrait(subject=person.name)), "utf-8")
    answer = invoke(
        *("batch", "run", prompt, "--matrix", "sample.seed=1..2", "--out", tmp_path / "out"),
        *("--host", host.url, "--host", other.url),
    )
    assert answer.exit_code == 16
    assert f"the subject {person.name!r} is not the same at" in answer.stderr
    assert not (tmp_path / "out" / "batch.sqlite3").exists()


def test_a_host_does_not_give_up_its_own_subject_for_one_that_is_brought(host, other, stores, subject):
    person = subject(stores[0])
    own = subject(stores[1], person.name, scale=2.0)
    assert own.lora
    before = sha256(own.lora)
    with Client(host.url) as giver, Client(other.url) as taker:
        with pytest.raises(SubjectError, match=rf"There is another subject named .* \(at {other.url}\)"):
            bring(person.name, giver, taker, 60.0)
        with pytest.raises(SubjectError, match="is another than the one that the batch began with"):
            bring(person.name, giver, taker, 60.0, lora=before)
        with pytest.raises(SubjectError, match="There is no subject named"):
            bring("nobody", giver, taker, 60.0)
    assert sha256(own.lora) == before
    assert remains(host, other) == []


def test_the_hosts_upload_takes_what_we_send(other):
    """Any ending, and 32 MiB at a time; a name that leads out of the folder is refused by the host itself."""
    data = b"\0" * (1 << 25)
    with Client(other.url) as client:
        client.put("a.part", data, parcels.FOLDER)
        place = other.work / "temp"
        (found,) = place.rglob(f"{parcels.FOLDER}/a.part")
        assert found.stat().st_size == len(data)
        client.put("a.part", b"", parcels.FOLDER)
        assert found.stat().st_size == 0
        for name, folder in (("../../../a.part", parcels.FOLDER), ("a.part", "../../out")):
            sent = {"type": "temp", "subfolder": folder, "overwrite": "true"}
            assert client.transport.post_file("/upload/image", name, b"x", sent).status == 400
        found.unlink()
