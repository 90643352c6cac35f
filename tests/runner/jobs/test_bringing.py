"""What a host tells of a subject that it hands over, and what it sends, is believed only as far as it can be right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_studio.portrait import parcels
from portrait_studio.portrait.subjects import SubjectError
from portrait_studio.runner.client import HostError
from portrait_studio.runner.jobs.bringing import Sink, parcel_of

GOOD = {"sha256": "a" * 64, "pieces": 1, "bytes": 9}
URL = "http://127.0.0.1:8188"
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from([*GOOD, *parcels.PARTS, "parts"]), inner)
    ),
    max_leaves=12,
)


def test_a_good_list_is_a_parcel():
    found = parcel_of("mina", {"parts": {"card": GOOD, "lora": GOOD | {"pieces": 3}}}, URL)
    assert found.lora == "a" * 64
    assert len(list(found.files())) == 4
    assert found.size == 18


@given(st.dictionaries(st.sampled_from(["parts", "name"]), ANYTHING))
def test_whatever_else_a_host_tells_is_one_sentence(told):
    with pytest.raises(SubjectError, match="hand"):
        parcel_of("mina", told, URL)


@pytest.mark.parametrize("part", ["card", "lora"])
@given(wrong=ANYTHING)
def test_a_part_that_is_no_part_is_one_sentence(part, wrong):
    with pytest.raises(SubjectError, match="hand"):
        parcel_of("mina", {"parts": {"card": GOOD, "lora": GOOD, part: wrong}}, URL)


def test_a_piece_is_kept_up_to_its_size_and_no_further():
    sink = Sink()
    sink.write(bytes(parcels.PIECE))
    with pytest.raises(HostError, match="more than a piece"):
        sink.write(b"x")
