"""What a record says of the stages of a job."""

from __future__ import annotations

from portrait_studio.runner.jobs.record import StageResult, losses


def stage(title: str, likeness: float | None) -> StageResult:
    return StageResult(title.lower(), title, 1.0, 1, likeness, f"{title}.png")


def test_a_stage_that_loses_the_person_is_named():
    rows = [stage("Text to image", 0.7), stage("Tone", 0.55), stage("Upscale", 0.54)]
    assert losses(rows) == ["Tone loses the person: likeness falls from 0.70 to 0.55."]


def test_a_stage_without_a_measurement_hides_no_loss():
    rows = [stage("Text to image", 0.7), stage("Tone", None), stage("Upscale", 0.5)]
    assert losses(rows) == ["Upscale loses the person: likeness falls from 0.70 to 0.50."]


def test_small_changes_and_gains_are_no_loss():
    assert losses([stage("Text to image", 0.6), stage("Face detail", 0.8), stage("Tone", 0.75)]) == []
