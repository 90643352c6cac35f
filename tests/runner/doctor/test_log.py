"""Logs as ComfyUI writes them."""

from __future__ import annotations

import re

from portrait_studio.runner.doctor.log import failures, tells_of_a_start

from .asking import LOG


def test_each_pack_that_failed_has_its_own_reason_and_traceback():
    found = failures(LOG)
    assert set(found) == {
        *("ComfyUI-ReActor", "ComfyUI-Impact-Pack", "empty", "portrait-studio", "told_of_only_here"),
    }
    assert found["ComfyUI-ReActor"].traceback.startswith("Traceback")
    assert found["ComfyUI-ReActor"].traceback.endswith("No module named 'onnxruntime'")
    assert "impact" not in found["ComfyUI-ReActor"].traceback
    chained = found["ComfyUI-Impact-Pack"].traceback
    assert chained.count("Traceback") == 2
    assert "KeyError: 'first'" in chained
    assert "onnxruntime" not in chained
    assert found["empty"].reason == "the lack of NODE_CLASS_MAPPINGS or NODES_LIST"
    assert found["portrait-studio"].reason == "no such file"
    assert tells_of_a_start(LOG)
    assert not tells_of_a_start(LOG[:400])
    assert failures("all is well") == {}


def test_a_host_that_puts_a_coloured_level_before_each_message_is_read_as_any_other():
    """Since 0.33: app/logger.py, ColoredFormatter."""
    begins = r"(?<!exception:\n\n)^(?=Cannot import|Skip |Error while|Traceback|\[2026)"
    assert failures(re.sub(begins, "\x1b[1m\x1b[33m[WARNING]\x1b[0m ", LOG, flags=re.M)) == failures(LOG)
