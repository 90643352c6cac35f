"""Reading graphs: what is accepted, and that everything broken is refused in one sentence."""

from __future__ import annotations

import copy
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from portrait_studio.portrait.errors import PortraitError
from portrait_studio.runner.client import PromptError
from portrait_studio.runner.graph import GraphError, is_api, parse, read, to_api
from portrait_studio.runner.jobs import read_api

from ...present import present
from .conftest import FROZEN
from .features import FEATURES

INFO = FROZEN["object_info"]


def sound() -> dict:
    return FEATURES["plain"](INFO)


def refusal(data, raw: bool = False) -> str:
    with pytest.raises(GraphError) as caught:
        parse(data if raw else json.dumps(data), "shared.json")
    message = str(caught.value)
    assert message.startswith("shared.json")
    assert message.endswith(".") and "\n" not in message
    return message


def test_graph_errors_are_errors_a_person_can_act_on():
    assert issubclass(GraphError, PortraitError)
    assert GraphError.exit_code == 3


def test_a_graph_is_read_from_a_file(tmp_path: Path):
    (tmp_path / "상반신 사진.json").write_text(json.dumps(sound()), "utf-8")
    graph = read(tmp_path / "상반신 사진.json")
    assert graph.source == "상반신 사진.json"
    assert len(graph.root.nodes) == 7


def test_a_graph_is_read_out_of_a_png_that_comfyui_saved(tmp_path: Path):
    info = PngInfo()
    info.add_text("prompt", "{}")
    info.add_text("workflow", json.dumps(sound()))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    assert to_api(read(tmp_path / "a.png"), INFO) == to_api(parse(sound()), INFO)


def test_a_graph_is_read_out_of_a_webp_that_comfyui_saved(tmp_path: Path):
    picture = Image.new("RGB", (8, 8))
    exif = picture.getexif()
    exif[0x0110] = "prompt:{}"
    exif[0x010F] = "workflow:" + json.dumps(sound())
    picture.save(tmp_path / "a.webp", exif=exif)
    assert len(read(tmp_path / "a.webp").root.nodes) == 7


def test_a_picture_without_a_graph_is_refused_by_name(tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "holiday.png")
    with pytest.raises(GraphError, match=r"holiday\.png contains no workflow"):
        read(tmp_path / "holiday.png")


def test_a_truncated_picture_is_refused_by_name(tmp_path: Path):
    (tmp_path / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 20)
    with pytest.raises(GraphError, match=r"half\.png cannot be opened"):
        read(tmp_path / "half.png")


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path: Path):
    with pytest.raises(GraphError, match=r"gone\.json cannot be read"):
        read(tmp_path / "gone.json")
    with pytest.raises(GraphError, match="cannot be read"):
        read(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "hello", "[1, 2", '{"nodes": [NaN]}', '{"nodes": [1e999]}', "\ufeff{}x", "[" * 100_000]
)
def test_text_that_is_not_json_is_refused(text: str):
    assert "not a JSON file" in refusal(text, raw=True)


def test_bytes_that_are_no_text_are_refused():
    assert "not a JSON file" in refusal(b"\xff\xfe\x00\x01\x80", raw=True)


def test_api_format_is_recognised_and_the_way_out_told():
    prompt = to_api(parse(sound()), INFO)
    assert is_api(prompt) and not is_api(sound()) and not is_api({}) and not is_api([])
    assert "API format where a UI graph is expected" in refusal(prompt)


@pytest.mark.parametrize("data", [[], 5, None, "text", {}, {"nodes": {}}, {"nodes": None}])
def test_json_that_is_no_graph_is_refused(data):
    assert "not a ComfyUI graph" in refusal(data)


@pytest.mark.parametrize("version", [None, 0.3, 2, "0.4", True, [1]])
def test_an_unknown_version_is_refused(version):
    assert "unknown graph version" in refusal({**sound(), "version": version})


def test_two_nodes_with_one_id_are_refused():
    graph = sound()
    graph["nodes"][3]["id"] = graph["nodes"][0]["id"]
    assert "two nodes have the id 1" in refusal(graph)


def test_a_number_and_the_same_number_as_text_are_one_id():
    graph = sound()
    graph["nodes"][3]["id"] = "1"
    assert "two nodes have the id 1" in refusal(graph)


def test_two_links_with_one_id_are_refused():
    graph = sound()
    graph["links"].append(list(graph["links"][0]))
    assert "two links have the id 1" in refusal(graph)


def test_a_cycle_is_refused_with_its_nodes():
    graph = FEATURES["bypass_chain_and_dead_end"](INFO)
    link = next(link for link in graph["links"] if link[3] == 2)
    link[1] = 3
    graph["nodes"][1]["inputs"][0]["link"] = link[0]
    path = present(re.search(r"the links (.*) make a cycle", refusal(graph))).group(1)
    assert re.findall(r"node (\d+)", path) in (["2", "3", "2"], ["3", "2", "3"])


def test_an_input_whose_link_is_gone_is_refused_by_node_and_name():
    graph = sound()
    graph["links"] = graph["links"][1:]
    message = refusal(graph)
    assert "input 'model' of KSampler (node 5) has link 1, which is gone" in message


def test_a_link_from_a_node_that_is_gone_is_refused():
    graph = sound()
    graph["nodes"] = graph["nodes"][1:]
    assert "is linked to node 1, which is gone" in refusal(graph)


def test_an_input_whose_link_ends_elsewhere_is_refused():
    graph = sound()
    graph["links"][0][3] = 7
    assert "which ends at node 7" in refusal(graph)


def test_a_link_that_no_input_holds_is_harmless():
    graph = sound()
    expected = to_api(parse(graph), INFO)
    graph["links"] += [[99, 1, 0, 7, 0, "MODEL"], [100, 500, 0, 501, 0, "MODEL"], None]
    assert to_api(parse(graph), INFO) == expected


def test_a_subgraph_that_contains_itself_is_refused():
    graph = FEATURES["nested_subgraphs_outer_first"](INFO)
    outer, inner = graph["definitions"]["subgraphs"]
    inner["nodes"].append({**copy.deepcopy(inner["nodes"][0]), "id": 77, "type": outer["id"], "inputs": []})
    assert "contains itself" in refusal(graph)


def test_two_subgraphs_with_one_id_are_refused():
    graph = FEATURES["nested_subgraphs_outer_first"](INFO)
    first, second = graph["definitions"]["subgraphs"]
    second["id"] = first["id"]
    assert "two subgraphs have the id" in refusal(graph)


@pytest.mark.parametrize("mode", [-1, 5, "4", 1.5, True])
def test_an_unknown_mode_is_refused(mode):
    graph = sound()
    graph["nodes"][0]["mode"] = mode
    assert "unknown mode" in refusal(graph)


def _places(value, path=()):
    """Yield the path of everything inside a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*path, key))


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 200),
    st.floats(allow_nan=False),
    st.text(max_size=4),
    st.just([]),
    st.just({}),
    st.just([None]),
    st.just([[1, 2]]),
    st.just({"id": 1}),
)
NAMES = sorted(FEATURES)


@settings(max_examples=400, deadline=None)
@given(name=st.sampled_from(NAMES), data=st.data())
def test_a_graph_with_anything_replaced_or_removed_converts_or_is_refused_but_never_crashes(name, data):
    graph = json.loads(json.dumps(FEATURES[name](INFO)))
    for _ in range(data.draw(st.integers(1, 3))):
        places = [path for path in _places(graph) if path]
        *way, last = data.draw(st.sampled_from(places))
        holder = graph
        for key in way:
            holder = holder[key]
        if data.draw(st.booleans()):
            holder[last] = copy.deepcopy(data.draw(JUNK))
        else:
            del holder[last]
    try:
        prompt = to_api(parse(graph, name), INFO, seed=1)
    except GraphError as error:
        assert "\n" not in str(error)
    else:
        json.dumps(prompt)


@settings(max_examples=200, deadline=None)
@given(raw=st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_any_bytes_are_refused_with_a_graph_error(raw):
    with pytest.raises(GraphError):
        parse(raw)


@pytest.mark.timeout(30)
def test_a_pipe_a_device_and_a_giant_are_no_graphs(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.json")
    with (tmp_path / "giant.json").open("wb") as file:
        file.truncate(300_000_000_000)
    for path, why in (
        (tmp_path / "pipe.json", "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (tmp_path / "giant.json", "more than the 64 MB that a graph may have"),
    ):
        with pytest.raises(GraphError, match=why):
            read(path)
        with pytest.raises(PromptError, match=why):
            read_api(path)
