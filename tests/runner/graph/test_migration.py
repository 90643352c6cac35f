"""Older graphs of ours: frozen as they were released, still good, and moved to the newest."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from portrait_studio.portrait.errors import PortraitError
from portrait_studio.runner import graph as graphs
from portrait_studio.runner.client.client import Client
from portrait_studio.runner.graph import migration, operations, widgets
from portrait_studio.runner.graph.document import GraphError

from ...packing import unpacked
from ...present import present
from ...released import frozen
from ...workflows.meaning import meanings, without_kits
from ..command import invoke, one_sentence
from .conftest import FROZEN as RECORDED
from .sketch import Sketch

ROOT = Path(__file__).parents[3]
INFO = RECORDED["object_info"]
RELEASED = [frozen.path(name) for name in frozen.HASHES]
STARTER = graphs.located(Path("portrait-starter"))
PLAIN = unpacked(ROOT / "tests" / "workflows" / "plain") / "portrait-starter.v1.json"
"""The starter of today, without its blocks."""
BEFORE = frozen.path("portrait-starter.1.1.0.json")
"""The starter as it was before its nodes went into blocks."""
PRERELEASE = frozen.path("portrait-starter.0.9.0.json")


def node(data: dict, identity: int) -> dict:
    return next(one for one in data["nodes"] if one["id"] == identity)


def changed(change, file: Path = PRERELEASE) -> graphs.UIGraph:
    data = json.loads(file.read_text("utf-8"))
    change(data)
    return graphs.parse(data, file.name)


def test_every_frozen_graph_is_listed():
    assert sorted(frozen.HASHES) == sorted(file.stem for file in frozen.HERE.glob("*.gz"))


@pytest.mark.parametrize("file", RELEASED, ids=lambda file: file.stem)
def test_a_released_graph_never_changes(file):
    assert hashlib.sha256(file.read_bytes()).hexdigest() == frozen.HASHES[file.name]


@pytest.mark.host
@pytest.mark.parametrize("file", RELEASED, ids=lambda file: file.stem)
def test_a_released_graph_still_runs_and_so_does_what_it_migrates_to(file, host):
    with Client(host.url) as client:
        info = client.object_info()
    old = graphs.read(file)
    new = graphs.parse(migration.migrate(old).data, "migrated")
    for graph in (old, new):
        assert [finding for finding in graphs.check(graph, info) if finding.level == "error"] == []
    shipped = graphs.read(present(migration.newest(graphs.declared(old)["name"])))
    known, mine = graphs.parameters(shipped), graphs.parameters(old)
    # A graph may be shipped with a better seed; the user's stays. Their prompt names the hair itself, and no family is
    # chosen for them.
    kept = {name: mine[name].default for name in ("seed", "prompt") if name in known}
    kept |= {name: value for name, value in (("look", ""), ("family", "custom")) if name in known}
    wanted = graphs.apply(graphs.to_api(shipped, info), known, kept)
    assert meanings(graphs.to_api(new, info)) == meanings(without_kits(wanted))


def test_the_graph_from_before_the_release_becomes_the_released_one():
    released = migration.migrate(graphs.read(frozen.path("portrait-starter.1.1.0.json"))).data
    made = migration.migrate(graphs.read(PRERELEASE))
    assert (made.old, made.new) == ("0.9.0", graphs.declared(graphs.read(STARTER))["version"])
    assert made.data["nodes"] == released["nodes"]
    assert "upscale_cfg" in made.data["extra"]["portrait_studio"]["parameters"]


def test_what_a_user_set_is_kept_and_told_as_the_default():
    def set_values(data):
        node(data, 65)["widgets_values"][3] = 2.25
        node(data, 12)["widgets_values"][0] = "빨간 머리"
        node(data, 1)["pos"] = [1, 2]

    made = migration.migrate(changed(set_values)).data
    assert node(made, 65)["widgets_values"][3] == 2.25
    assert node(made, 1)["pos"] == [1, 2]
    known = made["extra"]["portrait_studio"]["parameters"]
    assert known["upscale_cfg"]["default"] == 2.25
    assert known["prompt"]["default"] == "빨간 머리"


def test_a_users_own_node_and_parameter_are_kept_and_a_removed_node_is_not_spoken_of():
    def edit(data):
        data["nodes"].append({"id": 900, "type": "PrimitiveInt", "widgets_values": [3, "fixed"], "inputs": []})
        own = {"targets": [{"node": 900, "input": "value"}], "type": "INT"}
        data["extra"]["portrait_studio"]["parameters"]["mine"] = own
        gone = node(data, 69)
        for slot in gone["inputs"]:
            operations._unlink(data, slot.get("link"))
        data["nodes"].remove(gone)

    made = graphs.parse(migration.migrate(changed(edit)).data, "edited")
    assert graphs.parameters(made)["mine"].default == 3
    assert "900" in made.root.nodes
    assert graphs.stages(made)[-1].name == "upscale"
    assert "69" not in graphs.stages(made)[-1].nodes


def test_a_graph_out_of_a_picture_names_no_widgets_and_migrates_all_the_same():
    made = migration.migrate(changed(compressed)).data
    assert node(made, 65)["widgets_values"][3] == 1


def test_a_graph_that_asks_for_older_pocket_models_asks_for_todays_after_migration():
    data = json.loads(BEFORE.read_text("utf-8"))
    studio = data["extra"]["portrait_studio"]
    old = {"name": "pocket.safetensors", "directory": "checkpoints", "hash": "b" * 64}
    node(data, 1)["properties"]["models"] = [old]
    node(data, 2)["properties"] = None
    data["nodes"].append({"id": 900, "type": "CheckpointLoaderSimple", "properties": {"models": [old]}, "inputs": []})
    for model in studio["requires"]["models"]:
        model["sha256"] = "b" * 64
    made = migration.migrate(graphs.parse(data, "older"))
    shipped = json.loads(STARTER.read_text("utf-8"))
    asked, wanted = (one["extra"]["portrait_studio"]["requires"]["models"] for one in (made.data, shipped))
    assert [one["node"] for one in asked] == [1, 11, 62, 60]
    assert [{**one, "node": 0} for one in asked] == [{**one, "node": 0} for one in wanted]
    offers = graphs.nodes_by_path(shipped)[wanted[0]["node"]]["properties"]["models"]
    assert node(made.data, 1)["properties"]["models"] == offers
    assert node(made.data, 900)["properties"]["models"] == [old]
    assert "nothing in this graph needed it" not in " ".join(made.notes)


def test_a_graph_from_before_the_blocks_keeps_its_nodes_and_every_parameter_finds_them():
    data = json.loads(BEFORE.read_text("utf-8"))
    node(data, 55)["widgets_values"][2] = 9
    made = migration.migrate(graphs.parse(data, "older"))
    changed_by_a_step = {1, 2, 14}
    for one in data["nodes"]:
        if one["id"] not in changed_by_a_step:
            assert node(made.data, one["id"]) == one
    assert len(made.data["nodes"]) == len(data["nodes"]) + 1
    new = graphs.parse(made.data, "migrated")
    shipped = graphs.parameters(graphs.read(STARTER))
    known = graphs.parameters(new)
    assert known.keys() == shipped.keys()
    # The second face detail is a block of its own kind: its nodes have other ids there than they had.
    assert known["detail_steps"].targets == (("35", "steps"), ("55", "steps"))
    assert shipped["detail_steps"].targets == (("115:35", "steps"), ("117:35", "steps"))
    assert [stage.image for stage in graphs.stages(new)] == ["29", "39", "49", "59", "69"]
    assert graphs.photo_input(new) == ("3", "files")


def test_what_a_block_shows_is_told_as_the_default_and_not_what_its_nodes_were_saved_with():
    data = json.loads(STARTER.read_text("utf-8"))
    data["extra"]["portrait_studio"]["version"] = "1.1.1"
    node(data, 112)["widgets_values"] = ["half-waving", 512, 768]
    node(data, 5)["widgets_values"][0] = 99
    made = migration.migrate(graphs.parse(data, "mine"))
    known = made.data["extra"]["portrait_studio"]["parameters"]
    assert {name: known[name]["default"] for name in ("pose", "width", "height", "seed")} == {
        "pose": "half-waving",
        "width": 512,
        "height": 768,
        "seed": 99,
    }
    assert known["tone"]["targets"] == [{"node": "116:40", "input": "preset"}]


def test_a_parameter_of_a_block_that_is_gone_is_not_spoken_of():
    data = json.loads(STARTER.read_text("utf-8"))
    data["extra"]["portrait_studio"]["version"] = "1.1.1"
    for slot in node(data, 69)["inputs"]:
        operations._unlink(data, slot.get("link"))
    for slot in node(data, 118)["inputs"]:
        operations._unlink(data, slot.get("link"))
    data["nodes"] = [one for one in data["nodes"] if one["id"] not in (69, 118)]
    made = migration.migrate(graphs.parse(data, "mine")).data["extra"]["portrait_studio"]
    assert "upscale_cfg" not in made["parameters"]
    assert "tone" in made["parameters"]
    assert made["stages"][-1] == {"name": "upscale", "title": made["stages"][-1]["title"], "nodes": []}


def test_the_newest_graph_is_left_as_it_is():
    graph = graphs.read(STARTER)
    made = migration.migrate(graph)
    assert made.old == made.new
    assert made.data == graph.data


def spoil_link(data):
    node(data, 23)["inputs"][0]["link"] = 9999


def repeat_id(data):
    data["nodes"].append(copy.deepcopy(node(data, 23)))


def add_value(data):
    node(data, 65)["widgets_values"].append("one more")


def from_the_future(data):
    data["extra"]["portrait_studio"] |= {"version": "97.0.0", "a_key_of_the_future": 1}


def somebody_elses(data):
    del data["extra"]["portrait_studio"]


BAD = {
    "link 9999": spoil_link,
    "two nodes have the id 23": repeat_id,
    "Sample the detail (node 65) has 1 saved value too many": add_value,
    "from a newer Portrait Studio": from_the_future,
    "not a graph of Portrait Studio": somebody_elses,
    "impossible version": lambda data: data["extra"]["portrait_studio"].update(version="one"),
    "no graph called 'lost'": lambda data: data["extra"]["portrait_studio"].update(name="lost"),
}


@pytest.mark.parametrize("words", BAD)
def test_a_graph_that_cannot_be_migrated_is_refused_in_one_sentence(words, tmp_path):
    data = json.loads(PRERELEASE.read_text("utf-8"))
    BAD[words](data)
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(data), "utf-8")
    answer = invoke("graph", "migrate", file)
    assert answer.exit_code == 3
    assert words in answer.stderr
    assert one_sentence(answer.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]


def test_the_command_writes_beside_and_never_over_what_is_there(tmp_path):
    file = tmp_path / "portrait-starter.v0.json"
    file.write_bytes(PRERELEASE.read_bytes())
    answer = invoke("graph", "migrate", file, "--json")
    told = json.loads(answer.stdout)
    assert (told["from"], told["file"]) == ("0.9.0", "portrait-starter.v1.json")
    assert file.read_bytes() == PRERELEASE.read_bytes()
    written = (tmp_path / "portrait-starter.v1.json").read_bytes()
    assert graphs.declared(graphs.parse(written))["version"] == told["to"]
    again = invoke("graph", "migrate", file)
    assert again.exit_code == 5
    assert one_sentence(again.stderr)
    assert (tmp_path / "portrait-starter.v1.json").read_bytes() == written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["portrait-starter.v0.json", "portrait-starter.v1.json"]


SECOND = {
    "graph": "portrait-starter",
    "from": "1.0.0",
    "to": "2.0.0",
    "why": "to try a major version",
    "widgets": {"KSampler": ["seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"]},
    "operation": [
        {"do": "rename_input", "type": "KSampler", "input": "cfg", "to": "guidance"},
        {
            "do": "add_widget",
            "type": "KSampler",
            "widget": "eta",
            "kind": "FLOAT",
            "default": 0.5,
            "before": "guidance",
        },
        {"do": "move_widget", "type": "KSampler", "widget": "denoise", "before": "seed"},
        {"do": "change_default", "type": "KSampler", "widget": "guidance", "from": 3.5, "to": 4},
        {"do": "rename_node", "type": "KSampler", "to": "Sampler"},
        {"do": "change_default", "type": "Sampler", "widget": "scheduler", "from": "karras", "to": "normal"},
    ],
}


@pytest.fixture
def second(tmp_path) -> Path:
    """A folder in which the starter is shipped as 2.0.0, with the seed of the one before the release."""
    data = json.loads(PLAIN.read_text("utf-8"))
    studio = data["extra"]["portrait_studio"]
    seed_node = studio["parameters"]["seed"]["targets"][0]["node"]
    before = json.loads(PRERELEASE.read_text("utf-8"))
    node(data, seed_node)["widgets_values"] = node(before, seed_node)["widgets_values"]
    node(data, 12)["widgets_values"] = node(before, 12)["widgets_values"]
    node(data, 2)["widgets_values"][-1] = ""
    node(data, 90)["widgets_values"] = ["custom"]
    studio |= {"version": "2.0.0", "parameters": {}}
    for one in data["nodes"]:
        if one["type"] == "KSampler":
            seed, control, steps, cfg, sampler, _, denoise = one["widgets_values"]
            one["type"] = "Sampler"
            one["widgets_values"] = [denoise, seed, control, steps, 0.5, 4 if cfg == 3.5 else cfg, sampler, "normal"]
            names = ["denoise", "seed", "steps", "eta", "guidance", "sampler_name", "scheduler"]
            slots = [slot for slot in one["inputs"] if "widget" not in slot]
            one["inputs"] = slots + [
                {"name": name, "type": "X", "widget": {"name": name}, "link": None} for name in names
            ]
    for one in data["nodes"]:
        for slot in one["inputs"]:
            slot["link"] = None
    data["links"] = []
    (tmp_path / "portrait-starter.v2.json").write_text(json.dumps(data))
    return tmp_path


def compressed(data):
    for one in data["nodes"]:
        one["inputs"] = [slot for slot in one.get("inputs", ()) if "widget" not in slot or slot.get("link")]
        operations._renumber(one, data)


@pytest.mark.parametrize("change", [lambda data: None, compressed], ids=["saved", "out of a picture"])
def test_two_steps_lead_over_a_major_version_whatever_the_graph_names(second, change):
    steps = [*migration.table()["step"], SECOND]
    made = migration.migrate(changed(change), second, steps)
    assert (made.old, made.new) == ("0.9.0", "2.0.0")
    assert len(made.notes) == sum(step["graph"] == "portrait-starter" for step in steps)
    wanted = json.loads((second / "portrait-starter.v2.json").read_text("utf-8"))
    for one in wanted["nodes"]:
        assert node(made.data, one["id"])["type"] == one["type"]
        assert node(made.data, one["id"])["widgets_values"] == one["widgets_values"]
    assert ends(made.data)


def test_an_older_graph_gets_the_choice_of_a_family_without_a_changed_value():
    made = migration.migrate(graphs.read(BEFORE)).data
    assert node(made, 90)["widgets_values"] == ["custom"]
    links = {link[0]: link for link in made["links"]}
    model, family = node(made, 2)["inputs"][0], node(made, 90)["inputs"][0]
    assert [links[one["link"]][1] for one in (model, family)] == [90, 1]
    assert node(made, 2)["widgets_values"] == ["none", 1, 1, "portrait photo of a woman", ""]
    assert node(made, 12) == node(json.loads(BEFORE.read_text("utf-8")), 12)
    assert links[node(made, 14)["inputs"][2]["link"]][1:3] == [2, 3]
    assert ends(made)
    graph = graphs.parse(made, "older")
    assert graphs.with_family(graph, {"family": "SD1.5"})["detail_size"] == 512


def test_a_graph_of_blocks_gets_the_subject_of_its_prompt_out_of_the_kit():
    made = json.loads(STARTER.read_text("utf-8"))
    definitions = {one["name"]: one for one in made["definitions"]["subgraphs"]}
    for name, kinds in {"Checkpoint": {90}, "Prompt": set()}.items():
        level = definitions[name]
        for gone in [one for one in level["nodes"] if one["id"] in kinds]:
            output = node(level, 1)["outputs"][0]
            operations._unlink(level, output["links"][0])
            for link in operations._links(level, gone["outputs"][0]["links"]):
                operations._set(link, "origin_id", 1)
            output["links"] = gone["outputs"][0]["links"]
            level["nodes"].remove(gone)
    old = node(definitions["Prompt"], 14)
    operations._unlink(definitions["Prompt"], old["inputs"].pop()["link"])
    old |= {"type": "StringConcatenate", "widgets_values": ["", "", ", "]}
    for slot, name in zip(old["inputs"], ("string_a", "string_b"), strict=True):
        slot |= {"name": name, "widget": {"name": name}}
    old["inputs"].append({"name": "delimiter", "type": "STRING", "widget": {"name": "delimiter"}, "link": None})
    who = node(definitions["Who"], 2)
    who["widgets_values"].pop()
    operations._unlink(definitions["Who"], who["inputs"].pop()["link"])
    made["extra"]["portrait_studio"]["version"] = "1.2.0"
    del made["extra"]["portrait_studio"]["parameters"]["family"]
    del made["extra"]["portrait_studio"]["parameters"]["look"]
    new = migration.migrate(graphs.parse(made, "saved")).data
    levels = {one["name"]: one for one in new["definitions"]["subgraphs"]}
    prompt = levels["Prompt"]
    links = {link["id"]: link for link in prompt["links"]}
    assert node(prompt, links[node(prompt, 14)["inputs"][2]["link"]]["origin_id"])["type"] == "PortraitOpenKit"
    assert node(levels["Checkpoint"], 90)["widgets_values"] == ["custom"]
    assert {"family", "look"} <= set(new["extra"]["portrait_studio"]["parameters"])


def test_a_picture_of_a_changed_class_is_refused_where_the_table_does_not_say_how_it_was(second):
    steps = [*migration.table()["step"], {**SECOND, "widgets": {}}]
    assert migration.migrate(changed(lambda data: None), second, steps).new == "2.0.0"
    with pytest.raises(GraphError, match="does not say which of its values is which"):
        migration.migrate(changed(compressed), second, steps)


def test_a_link_is_made_only_where_there_is_none_and_both_ends_are_there():
    change = {"do": "connect", "type": "PortraitIdentityScore", "input": "subject", "source": 2, "output": "subject"}
    data = json.loads(frozen.path("portrait-starter.1.0.0.json").read_text("utf-8"))
    count = len(data["links"])
    assert operations.perform(change, data, {}) == 5
    assert len(data["links"]) == count + 5
    assert {tuple(link[1:3]) for link in data["links"][-5:]} == {(2, 3)}
    assert node(data, 2)["outputs"][3]["links"] == [link[0] for link in data["links"][-5:]]
    assert data["last_link_id"] == data["links"][-1][0]
    assert ends(data)
    assert operations.perform(change, data, {}) == 0
    assert operations.perform({**change, "input": "references", "source": 999}, data, {}) == 0
    assert operations.perform({**change, "input": "no such input"}, data, {}) == 0


def test_a_link_inside_a_subgraph_is_an_object_and_counts_on_from_its_own_last():
    sketch = Sketch(INFO)
    inner = Sketch(INFO, "Detail")
    inner.port("IMAGE", "IMAGE", output=True)
    loader = inner.add("LoadImage", ["face.png", "image"])
    scale = inner.add("ImageScale", ["area", 100, 200, "disabled"])
    inner.link(scale, 0, None, "IMAGE")
    sketch.definitions = [inner]
    sketch.link(sketch.add(inner, []), 0, sketch.add("PreviewImage"), "images")
    data = sketch.graph()
    (level,) = data["definitions"]["subgraphs"]
    before = copy.deepcopy(level)
    change = {"do": "connect", "type": "ImageScale", "input": "image", "source": loader["id"], "output": "IMAGE"}
    assert operations.perform(change, level, {}) == 1
    (made,) = [link for link in level["links"] if link not in before["links"]]
    assert made["id"] == level["state"]["lastLinkId"] == before["state"]["lastLinkId"] + 1
    assert (made["origin_id"], made["target_id"], made["type"]) == (loader["id"], scale["id"], "IMAGE")
    graphs.parse(data, "after an operation")  # refuses links that are not whole
    assert operations.perform(change, level, {}) == 0


def test_every_step_of_the_table_leads_on_and_says_why():
    for step in migration.table()["step"]:
        assert Version(step["from"]) < Version(step["to"])
        assert step["why"]
        for one in step.get("operation", ()):
            operations.perform({**one, "type": "no such class"}, {"nodes": []}, {})
    for name in {step["graph"] for step in migration.table()["step"]}:
        assert migration.newest(name) is not None


# The operations, on the graphs themselves: each there and back again, with nothing else moved.

ORDERS = widgets.shipped_orders()
DATA = {file.name: json.loads(file.read_text("utf-8")) for file in RELEASED}
WITH_WIDGETS = sorted(kind for kind, names in ORDERS.items() if len(names) > 1)
slow = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def places(draw) -> tuple[dict, str, str]:
    data = copy.deepcopy(DATA[draw(st.sampled_from(sorted(DATA)))])
    # A graph may have been saved before a class gained a widget; its nodes have no value to move then.
    old = {one["type"] for one in data["nodes"] if set(widgets.named(one)) != set(ORDERS.get(one["type"], ()))}
    kinds = sorted({one["type"] for one in data["nodes"]} & set(WITH_WIDGETS) - old)
    kind = draw(st.sampled_from(kinds))
    return data, kind, draw(st.sampled_from(ORDERS[kind]))


def perform(data: dict, **operation) -> dict:
    operations.perform(operation, data, ORDERS)
    graphs.parse(data, "after an operation")  # refuses links that are not whole
    return data


def ends(data: dict) -> set[tuple]:
    """Every link as (from node, output's name, to node, input's name), read through the slots it points to."""
    nodes = {one["id"]: one for one in data["nodes"]}
    found = set()
    for _, origin, out, target, slot, *_ in data["links"]:
        assert nodes[target]["inputs"][slot]["link"] in {link[0] for link in data["links"]}
        found.add((origin, nodes[origin]["outputs"][out]["name"], target, nodes[target]["inputs"][slot]["name"]))
    return found


@slow
@given(places())
def test_a_renamed_input_comes_back_and_keeps_its_link(place):
    data, kind, widget = place
    before = copy.deepcopy(data)
    renamed = perform(data, do="rename_input", type=kind, input=widget, to="renamed")
    assert renamed != before
    assert len(ends(renamed)) == len(ends(before))
    back = perform(renamed, do="rename_input", type=kind, input="renamed", to=widget)
    assert back == before


@slow
@given(places())
def test_a_renamed_class_comes_back(place):
    data, kind, _ = place
    before = copy.deepcopy(data)
    assert not any(one["type"] == kind for one in perform(data, do="rename_node", type=kind, to="Other")["nodes"])
    assert perform(data, do="rename_node", type="Other", to=kind) == before


@slow
@given(places(), st.integers() | st.text(max_size=9) | st.booleans())
def test_an_added_widget_takes_its_place_moves_no_other_and_can_be_removed(place, default):
    data, kind, before_widget = place
    before = copy.deepcopy(data)
    perform(data, do="add_widget", type=kind, widget="fresh", kind="STRING", default=default, before=before_widget)
    orders = {**ORDERS, kind: [*_inserted(ORDERS[kind], "fresh", before_widget)]}
    for old, new in zip(before["nodes"], data["nodes"], strict=True):
        if new["type"] == kind:
            assert widgets.value_of(new, "fresh", orders) == default
            for name in ORDERS[kind]:
                assert widgets.value_of(new, name, orders) == widgets.value_of(old, name, ORDERS)
    assert ends(data) == ends(before)
    operations.perform({"do": "remove_widget", "type": kind, "widget": "fresh"}, data, orders)
    assert data == before


@slow
@given(places(), st.data())
def test_a_moved_widget_takes_its_value_along_and_no_other(place, choice):
    data, kind, widget = place
    before = copy.deepcopy(data)
    others = [name for name in ORDERS[kind] if name != widget]
    goal = choice.draw(st.sampled_from(others))
    perform(data, do="move_widget", type=kind, widget=widget, before=goal)
    orders = {**ORDERS, kind: [*_inserted(others, widget, goal)]}
    for old, new in zip(before["nodes"], data["nodes"], strict=True):
        if new["type"] == kind:
            assert widgets.named(new) == list(orders[kind])
            for name in ORDERS[kind]:
                assert widgets.value_of(new, name, orders) == widgets.value_of(old, name, ORDERS)
    assert ends(data) == ends(before)


def _inserted(names, fresh, before):
    for name in names:
        if name == before:
            yield fresh
        yield name


@slow
@given(places(), st.integers(2, 9))
def test_a_default_changes_only_where_nobody_had_set_another(place, user):
    data, kind, widget = place
    chosen = [one for one in data["nodes"] if one["type"] == kind]
    held = [widgets.value_of(one, widget, ORDERS) for one in chosen]
    perform(data, do="change_default", type=kind, widget=widget, **{"from": held[0], "to": user})
    for one, value in zip(chosen, held, strict=True):
        same = value == held[0] and isinstance(value, bool) == isinstance(held[0], bool)
        assert widgets.value_of(one, widget, ORDERS) == (user if same else value)


def test_a_switch_is_no_number_when_a_default_changes():
    data = {"nodes": [{"id": 1, "type": "A", "inputs": [], "widgets_values": [True, 1]}], "links": []}
    change = {"do": "change_default", "type": "A", "from": 1, "to": 5}
    assert operations.perform({**change, "widget": "on"}, data, {"A": ["on", "count"]}) == 0
    assert operations.perform({**change, "widget": "count"}, data, {"A": ["on", "count"]}) == 1
    assert data["nodes"][0]["widgets_values"] == [True, 5]


def test_a_replaced_node_keeps_links_and_values_under_their_new_names():
    data = json.loads(PLAIN.read_text("utf-8"))
    before = copy.deepcopy(data)
    sockets = ("model", "positive", "negative", "latent_image")
    kinds = ("MODEL", "CONDITIONING", "CONDITIONING", "LATENT")
    inputs = [{"name": f"new_{name}", "kind": kind, "from": name} for name, kind in zip(sockets, kinds, strict=True)]
    inputs += [
        {"name": "extra", "kind": "INT", "widget": True, "default": 5},
        {"name": "noise_seed", "kind": "INT", "widget": True, "from": "seed"},
        {"name": "count", "kind": "INT", "widget": True, "from": "steps"},
    ]
    outputs = [{"name": "none", "kind": "MASK"}, {"name": "samples", "kind": "LATENT", "from": 0}]
    perform(data, do="replace_node", type="KSampler", node=65, to="Sampler2", inputs=inputs, outputs=outputs)
    new, old = node(data, 65), node(before, 65)
    assert new["type"] == "Sampler2"
    seed, control, steps = old["widgets_values"][:3]
    assert new["widgets_values"] == [5, seed, control, steps]
    wanted = {name: slot["link"] for slot in old["inputs"] for name in [slot["name"]] if name in sockets}
    assert {slot["name"]: slot["link"] for slot in new["inputs"][:4]} == {f"new_{key}": wanted[key] for key in sockets}
    assert [link for link in data["links"] if link[1] == 65] == [
        [*link[:2], 1, *link[3:]] for link in before["links"] if link[1] == 65
    ]
    # The seed is linked as a widget's input; the link has moved with it, those of dropped inputs are gone.
    assert (5, "INT", 65, "noise_seed") in ends(data)
    dropped = [slot["link"] for slot in old["inputs"] if slot["name"] == "denoise" and slot["link"]]
    assert not [link for link in data["links"] if link[0] in dropped]


def test_an_operation_that_is_misspelt_is_an_error_of_ours():
    with pytest.raises(ValueError, match="no operation"):
        perform({"nodes": []}, do="rename", type="KSampler")
    with pytest.raises(ValueError, match="takes type"):
        perform({"nodes": []}, do="move_widget", type="KSampler", widgt="seed")


def test_values_that_nothing_names_are_refused_with_what_to_do():
    data = {"nodes": [{"id": 1, "type": "Unheard", "inputs": [], "widgets_values": [1, 2]}], "links": []}
    with pytest.raises(GraphError, match="does not say which of its values is which"):
        operations.perform({"do": "remove_widget", "type": "Unheard", "widget": "a"}, data, ORDERS)
    assert issubclass(GraphError, PortraitError)
