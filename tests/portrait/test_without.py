"""What works where torch or OpenCV is missing or broken."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .scenes import PEOPLE

BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise {error}
sys.meta_path.insert(0, Blocked())
"""
FIND = f"""
import numpy as np
from PIL import Image
from portrait_studio.portrait import faces, identity, poses, quality, report
picture = np.array(Image.open({str(PEOPLE / "ada_4.jpg")!r}).convert("RGB"))
(face,) = faces.detect(picture)
assert identity.embed(picture, face).shape == (128,)
assert report.judge([picture]).accepted == [0]
assert poses.draw(np.ones((1, 18, 3)) * 20, 64, 64).any()
print("found")
"""
RUNNER = """
import portrait_studio.runner
import portrait_studio.runner.commands.app
from portrait_studio.portrait import contact_sheet, faces, identity, photos, report
from portrait_studio.portrait.faces import Face, choose
face = Face((1, 2, 3, 4), ((1, 1),) * 5, 0.9)
assert choose([face], "largest") == [face]
assert "torch" not in sys.modules and "cv2" not in sys.modules
print("found")
"""


def run(script: str, names: tuple[str, ...], error: str = "ImportError(name)") -> str:
    blocked = BLOCKED.format(names=names, error=error)
    done = subprocess.run([sys.executable, "-c", blocked + script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_runner_and_all_that_it_imports_load_without_torch_and_opencv():
    assert run(RUNNER, ("torch", "cv2")) == "found\n"


@pytest.mark.parametrize(
    "error", ["ImportError(name)", "AttributeError(\"module 'cv2' has no attribute 'dnn'\")", "OSError('libGL.so.1')"]
)
def test_faces_and_poses_need_no_opencv_so_that_a_broken_one_breaks_nothing(error):
    assert run(FIND, ("cv2",), error) == "found\n"
