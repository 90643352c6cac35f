"""Graphs as files that can be read, compared and carried."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as some

from portrait_studio.runner.graph import in_lines
from portrait_studio.runner.graph.writing import LINE

VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=LINE // 8),
    lambda inner: some.lists(inner, max_size=30) | some.dictionaries(some.text(max_size=20), inner, max_size=30),
)


@given(VALUES, some.booleans())
def test_what_is_written_means_the_same_and_no_line_is_long(value, ascii_only):
    text = in_lines(value, ascii_only=ascii_only)
    assert json.loads(text) == value
    assert text.isascii() or not ascii_only
    assert max(map(len, text.split("\n"))) <= 2 * LINE


def test_a_short_node_is_one_line():
    nodes = [{"id": number, "type": "KSampler", "widgets_values": [number, "euler"] * 4} for number in range(20)]
    lines = in_lines({"nodes": nodes}).split("\n")
    assert sum('"type":"KSampler"' in line for line in lines) == 20
    assert len(lines) < 30
