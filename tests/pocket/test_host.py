"""The assembled files in the real ComfyUI."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from portrait_studio.pocket.graphs import enlarge, run, text_to_image

pytestmark = pytest.mark.host


def test_the_assembled_files_sample_with_a_pose_map_and_are_enlarged(host):
    Image.new("RGB", (256, 256)).save(host.input / "pose.png")
    graph = enlarge(text_to_image(["portrait photo of a woman"], seed=1, steps=2, pose="pose.png"))
    pictures = run(host.url, graph)
    assert pictures["save0"].shape == (256, 256, 3)
    assert pictures["enlarged"].shape == (1024, 1024, 3)
    assert pictures["save0"].std() > 1
    small = np.asarray(Image.fromarray(pictures["enlarged"]).resize((256, 256), Image.Resampling.BOX), np.float32)
    assert np.corrcoef(small.ravel(), pictures["save0"].ravel())[0, 1] > 0.5
    log = host.log.read_text()
    assert "missing controlnet keys" not in log
    assert "unet unexpected" not in log
    assert "clip missing" not in log
