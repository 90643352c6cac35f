"""The pack as the real host sees it."""

from __future__ import annotations

import json
import urllib.request

import pytest

pytestmark = pytest.mark.host


def test_the_host_loads_the_pack_without_a_warning(host):
    with urllib.request.urlopen(f"{host.url}/object_info") as answer:
        assert "KSampler" in json.load(answer)
    log = host.log.read_text("utf-8")
    assert "portrait-studio" in log
    assert "IMPORT FAILED" not in log
