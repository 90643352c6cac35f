"""Tables as people save them, and every bad row named at once."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_studio.runner.batch import State, TableError
from portrait_studio.runner.batch.rows import BatchRow, Checker
from portrait_studio.runner.batch.state import NAME
from portrait_studio.runner.batch.tables import matrix, read_table, write_csv
from portrait_studio.runner.graph import Parameter

KNOWN = {
    "seed": Parameter("seed", "INT", (), min=0, max=99),
    "prompt": Parameter("prompt", "STRING", ()),
    "tone": Parameter("tone", "COMBO", ()),
    "cfg": Parameter("cfg", "FLOAT", ()),
}


def checker(**changes) -> Checker:
    return Checker(list(KNOWN), lambda name, value: KNOWN[name].accept(value), **changes)


def rows_of(path: Path, **changes) -> list[BatchRow]:
    one = checker(folder=path.parent, **changes)
    return list(one.good(read_table(path, one.check_names)))


def table(tmp_path: Path, text: str | bytes, name: str = "night.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_table_is_read_however_a_spreadsheet_saves_it(tmp_path, delimiter, encoding, newline):
    text = newline.join([f"seed{delimiter}prompt", f'3{delimiter}"빨간, 머리; ""긴"""', f"{delimiter}plain", ""])
    assert rows_of(table(tmp_path, text.encode(encoding))) == [
        BatchRow({"seed": 3, "prompt": '빨간, 머리; "긴"'}),
        BatchRow({"prompt": "plain"}),
    ]


def test_newlines_and_ten_thousand_characters_fit_into_a_cell(tmp_path):
    prompt = "one line\nanother " + "x" * 10_000
    assert rows_of(table(tmp_path, f'prompt\n"{prompt}"\n'))[0].settings == {"prompt": prompt}


def test_every_bad_row_is_named_at_once_with_its_line(tmp_path):
    path = table(tmp_path, "seed,prompt,tone\n1,a,noir\n500,b,noir\n2,c\n3,d,noir,extra\nx,e,pink\n")
    one = checker(choices={"tone": frozenset({"noir", "sepia"})})
    with pytest.raises(TableError, match="4 rows of 5 cannot be used, and nothing was queued"):
        list(one.good(read_table(path, one.check_names)))
    assert [line.split(":")[0] for line in one.complaints] == [f"row {n} (line {n + 1})" for n in (2, 3, 4, 5)]
    assert "above its greatest value 99" in one.complaints[0]
    assert "2 cells, and the table 3 columns" in one.complaints[1]
    assert "4 cells, and the table 3 columns" in one.complaints[2]
    assert "takes a whole number, not 'x'" in one.complaints[3]
    assert "no host offers 'pink' for 'tone'" in one.complaints[3]


def test_lines_are_counted_over_cells_with_newlines(tmp_path):
    one = checker()
    with pytest.raises(TableError):
        list(one.good(read_table(table(tmp_path, 'prompt,seed\n"a\nb",1\n\nc,-1\n'), one.check_names)))
    assert one.complaints[0].startswith("row 2 (line 5): ")


def test_a_column_that_the_graph_does_not_know_is_named_with_the_nearest(tmp_path):
    with pytest.raises(TableError, match=r"'sede' \(did you mean 'seed'\?\)"):
        rows_of(table(tmp_path, "sede,prompt\n1,a\n"))


def test_duplicate_rows_are_rows_like_others(tmp_path):
    assert len(rows_of(table(tmp_path, "seed\n7\n7\n7\n"))) == 3


def test_columns_and_rows_that_a_spreadsheet_left_empty_are_no_fault(tmp_path):
    assert rows_of(table(tmp_path, "seed,,\n1,,\n,,\n2,,\n")) == [BatchRow({"seed": 1}), BatchRow({"seed": 2})]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"seed\n", "has no rows"),
        (b"seed,seed\n1,2\n", "two columns called 'seed'"),
        (b"seed,,prompt\n1,2,3\n", "Column 2 .* has no name"),
        ("prompt\nSch\u00f6n\n".encode("latin-1"), "not text in UTF-8"),
        (b'prompt\n"never closed\n', "breaks off"),
        (b'prompt\n"' + b"x" * 2_000_000, "breaks off"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_in_one_sentence(tmp_path, text, sentence):
    with pytest.raises(TableError, match=sentence) as raised:
        rows_of(table(tmp_path, text))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["missing.csv", ".", "a\0b.csv"])
def test_what_is_no_file_is_refused(tmp_path, name):
    with pytest.raises(TableError, match="cannot be read"):
        rows_of(tmp_path / name)


def test_json_lines_keep_their_types(tmp_path):
    lines = [{"seed": 3, "cfg": 2.5}, {"prompt": "", "seed": None}, {"prompt": "a\nb"}]
    path = table(tmp_path, "\n".join(map(json.dumps, lines)), "night.jsonl")
    assert [row.settings for row in rows_of(path)] == [{"seed": 3, "cfg": 2.5}, {"prompt": ""}, {"prompt": "a\nb"}]


def test_bad_lines_of_json_are_named_with_the_others(tmp_path):
    path = table(tmp_path, '{"seed": 1}\n{"seed": \n[1]\n{"sede": 1}\n{"seed": true}\n{"seed": 1e999}\n', "night.jsonl")
    one = checker()
    with pytest.raises(TableError, match="5 rows of 6"):
        list(one.good(read_table(path, one.check_names)))
    assert "not JSON" in one.complaints[0]
    assert "not an object" in one.complaints[1]
    assert "did you mean 'seed'" in one.complaints[2]


def test_photos_lie_beside_the_table(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"x")
    path = table(tmp_path, 'seed,photo\n1,a.jpg\n2,"a.jpg\nb.jpg"\n3,\n')
    photos = [row.photos for row in rows_of(path, photos=("/given",))]
    assert photos == [(str(tmp_path / "a.jpg"),), (str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg")), ("/given",)]
    with pytest.raises(TableError):
        rows_of(table(tmp_path, "photo\nnobody.jpg\n"))


def test_what_is_set_for_all_rows_gives_way_to_the_row(tmp_path):
    found = rows_of(table(tmp_path, "seed,tone\n1,\n2,sepia\n"), common={"tone": "noir", "cfg": "2"})
    assert [row.settings["tone"] for row in found] == ["noir", "sepia"]
    assert found[0].settings["cfg"] == 2.0


def test_a_matrix_is_every_combination_and_the_last_name_changes_fastest():
    cells = [row.cells for row in matrix(["tone=noir,sepia", "seed=1..3"], {})]
    assert cells == [{"tone": tone, "seed": seed} for tone in ("noir", "sepia") for seed in (1, 2, 3)]
    assert [row.cells["seed"] for row in matrix(["seed=1..9..4,20"], {})] == [1, 5, 9, "20"]
    assert [row.cells["tone"] for row in matrix(["tone=all"], {"tone": ["x", "y"]})] == ["x", "y"]
    assert [row.cells["prompt"] for row in matrix(['prompt="red, long",blue'], {})] == ["red, long", "blue"]


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        (["seed"], "not of the form"),
        (["=1"], "not of the form"),
        (["seed="], "not of the form"),
        (["seed=3..1"], "from the smaller"),
        (["seed=1..3..0"], "from the smaller"),
        (["seed=1", "seed=2"], "twice"),
        (["tone=all"], "list them"),
        (["seed=1..99999", "cfg=1..99999"], "makes 9999800001 rows"),
        (["seed=1..99999999999"], "from the smaller"),
    ],
)
def test_a_matrix_that_makes_no_sense_is_refused(pairs, sentence):
    with pytest.raises(TableError, match=sentence):
        list(matrix(pairs, {}))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_any_text_comes_back_as_it_was_written(prompts):
    with io.StringIO(newline="") as text:
        csv.writer(text).writerows([["prompt"], *([one] for one in prompts)])
        data = text.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        path = table(Path(folder), data)
        assert [row.settings["prompt"] for row in rows_of(path)] == prompts


@given(st.binary(max_size=300), st.sampled_from([".csv", ".jsonl"]))
def test_any_bytes_are_read_or_refused(data, ending):
    with tempfile.TemporaryDirectory() as folder:
        try:
            rows_of(table(Path(folder), b"prompt\n" + data, f"night{ending}"))
        except TableError as error:
            assert "\n" not in str(error)


def test_a_long_table_streams_into_the_state(tmp_path):
    """100,000 rows take no more memory than 10,000: nothing holds them all."""

    def most(count: int) -> int:
        path = tmp_path / f"{count}.csv"
        with path.open("w") as file:
            file.write("seed,prompt\n")
            file.writelines(f"{number % 90},a portrait of somebody\n" for number in range(count))
        one = checker()
        (tmp_path / str(count)).mkdir()
        tracemalloc.start()
        rows = (row.data() for row in one.good(read_table(path, one.check_names)))
        State.create(tmp_path / str(count) / NAME, {}, rows).close()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    few, many = most(2_000), most(40_000)
    assert many < few + 1_000_000


def test_an_export_opens_in_a_spreadsheet_and_runs_nothing_there(tmp_path):
    write_csv(tmp_path / "out.csv", ["a", "b"], iter([['=HYPERLINK("x")', 1], ["초상\n화", -2]]))
    text = (tmp_path / "out.csv").read_text("utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [["a", "b"], ['\'=HYPERLINK("x")', "1"], ["초상\n화", "-2"]]
