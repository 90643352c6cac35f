"""Which photos are kept from training."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portrait_studio.portrait.coverage import VIEWS
from portrait_studio.portrait.held_out import held_out
from portrait_studio.portrait.quality import Quality
from portrait_studio.portrait.report import Verdict

EDGES = [low for _, low, _ in VIEWS]


def seen(yaw: float, likeness: float = 0.9, name: str = "", accepted: bool = True, remarks: tuple = ()) -> Verdict:
    quality = Quality(yaw, 0, 0, 0.05, 0.8, 0)
    return Verdict(name or f"{yaw}", accepted, remarks=list(remarks), quality=quality, likeness=likeness)


def chosen(verdicts: list[Verdict]) -> list[str]:
    return [verdicts[index].name for index in held_out(verdicts, EDGES)]


@pytest.mark.parametrize(("count", "kept"), [(5, 2), (10, 2), (12, 2), (13, 3), (20, 4), (100, 20)])
def test_a_fifth_and_at_least_two_are_held_out(count, kept):
    assert len(chosen([seen(index % 9, name=f"{index}") for index in range(count)])) == kept


def test_the_held_out_are_spread_over_the_turns_of_the_head():
    yaws = (-30, -25, -20, -10, 0, 5, 10, 20, 25, 30)
    found = [float(name) for name in chosen([seen(yaw) for yaw in yaws])]
    assert min(found) <= 0 < 5 <= max(found)


def test_of_one_stretch_the_most_typical_is_held_out():
    verdicts = [seen(yaw, 0.95 if yaw in (-5, 5) else 0.8) for yaw in range(-10, 11)]
    assert {"-5", "5"} <= set(chosen(verdicts))


def test_profiles_cut_faces_and_the_only_photo_of_a_view_stay_in_training():
    verdicts = [seen(0), seen(2), seen(3), seen(-60, 1.0), seen(70, 1.0), seen(75, 1.0)]
    verdicts += [seen(5, 1.0, "cut", remarks=("the face touches the border",)), seen(20, 1.0, "only one")]
    assert set(chosen(verdicts)) <= {"0", "2", "3"}


def test_rejected_photos_are_not_held_out():
    assert chosen([seen(0, 1.0, "no", accepted=False), *(seen(index) for index in range(1, 7))]).count("no") == 0


@given(
    st.lists(
        st.tuples(st.floats(-80, 80), st.floats(-1, 1), st.booleans(), st.booleans()), min_size=0, max_size=30
    ).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(range(len(rows)))))
)
def test_the_choice_does_not_depend_on_the_order_of_the_photos(given_rows):
    rows, order = given_rows
    verdicts = [
        seen(yaw, likeness, f"{index}", accepted, ("the face touches the border",) if cut else ())
        for index, (yaw, likeness, accepted, cut) in enumerate(rows)
    ]
    found = chosen(verdicts)
    accepted = sum(verdict.accepted for verdict in verdicts)
    assert len(set(found)) == len(found) == min(max(2, round(accepted / 5)), accepted)
    assert set(chosen([verdicts[index] for index in order])) == set(found)
