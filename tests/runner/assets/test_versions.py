"""Versions compared as PEP 440 has them, and those that are not in its form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_studio.runner.assets.versions import same_version, version_of, within

RANGES = """
7.10.6            <8             True
8.0               <8             False
v8.28.3           >=8,<8.28.3    False
8.28              >=8,<8.28.3    True
0.3.100           >0.3.75        True
0.7.0-a2          <0.7.0         True
0.7.0-a2          >=0.6,<0.7     True
0.7.0-a2          ==0.7          False
0.7.0rc1          >0.7.0-a2      True
0.7.0             ==0.7          True
0.3.75-dirty      <=0.3.75       True
0.3.75-3-g0a1b2c  >0.3.74        True
nightly           <1             None
nightly           >=0            None
"""


@pytest.mark.parametrize(("version", "bounds", "holds"), [line.split() for line in RANGES.strip().splitlines()])
def test_a_version_keeps_a_range_or_not_or_cannot_be_read(version, bounds, holds):
    assert str(within(version, bounds)) == holds


@pytest.mark.parametrize("bounds", ["8", "~=8", ">=", ">=x", "<1 <2", ">=1;<2"])
def test_a_range_in_another_form_is_refused(bounds):
    with pytest.raises(ValueError, match="is not a bound of a version"):
        within("1.0", bounds)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1.0", "1.0.0", True),
        ("v2", "2", True),
        ("0.7.0-a2", "0.7.0", False),
        ("nightly", "nightly", True),
        ("", "1", False),
    ],
)
def test_versions_are_the_same_however_they_are_written(one, other, same):
    assert same_version(one, other) is same


def test_a_number_longer_than_python_reads_is_no_version():
    assert version_of("9" * 10_000) is None
    assert within("9" * 10_000, ">1") is None


@given(st.text(max_size=30) | st.from_regex(r"v?\d+!?(\.\d+){0,4}([-.]?(a|b|rc|post|dev)\d*)?(\+\w+)?", fullmatch=True))
def test_any_text_is_a_version_or_none(text):
    version = version_of(text)
    assert version is None or within(text, f"=={version}") is True
