"""The tests of faces, likeness and poses with several OpenCVs, one after the other.

    python tests/opencv_versions.py [VERSION ...]

VERSION is one of opencv-python-headless (default: 4.11.0.86, 4.14.0.94 and 5.0.0.93), or `no-dnn`: the one that is
installed, without its networks. Each is installed by uv into a folder of its own, which goes when its tests are done;
the environment is left alone. The pack itself never imports OpenCV: the answers must be equal to the last bit.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DEFAULT = ("4.11.0.86", "4.14.0.94", "5.0.0.93", "no-dnn")
TESTS = [f"tests/portrait/{name}" for name in ("test_faces.py", "test_identity.py", "test_quality.py", "networks")]
NO_DNN = """
import cv2
for name in ("dnn", "FaceDetectorYN", "FaceRecognizerSF"):
    delattr(cv2, name)
"""
ANSWERS = """
import hashlib, cv2, numpy as np
from portrait_studio.portrait import faces, identity
from tests.portrait.networks.pictures import pictures
every = list(pictures().values())
found = faces.detect_all(every)
numbers = [[*face.box, *np.ravel(face.landmarks), face.score] for own in found for face in own]
vectors = np.concatenate([own for own in identity.embed_all(every, found) if len(own)])
digest = hashlib.sha256(np.array(numbers).tobytes() + vectors.tobytes()).hexdigest()
print(cv2.__version__, "dnn" if hasattr(cv2, "dnn") else "no dnn", len(numbers), "faces,", digest)
"""


def tried(version: str, folder: Path) -> tuple[bool, str]:
    """Return whether the tests pass with a version, and the pack's answers as one line."""
    if version == "no-dnn":
        (folder / "sitecustomize.py").write_text(NO_DNN, "utf-8")
    else:
        wanted = f"opencv-python-headless=={version}"
        uv = shutil.which("uv", path=ROOT / ".studio" / "uv" / "bin") or "uv"
        place = ["--python", sys.executable, "--target", str(folder)]
        subprocess.run([uv, "pip", "install", "-q", "--no-deps", *place, wanted], check=True)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}
    said = subprocess.run([sys.executable, "-c", ANSWERS], env=environment, cwd=ROOT, capture_output=True, text=True)
    tests = subprocess.run([sys.executable, "-m", "pytest", "-q", *TESTS], env=environment, cwd=ROOT)
    return tests.returncode == said.returncode == 0, said.stdout.strip() or said.stderr


def main() -> int:
    """Return 0 when all pass and answer alike."""
    lines, passed = {}, True
    for version in sys.argv[1:] or DEFAULT:
        with tempfile.TemporaryDirectory() as folder:
            good, lines[version] = tried(version, Path(folder))
            passed = passed and good
    equal = len({line.split()[-1] for line in lines.values()}) == 1
    sys.stdout.write("\n".join(f"{version}: {line}" for version, line in lines.items()))
    sys.stdout.write(f"\n{'equal' if equal else 'NOT equal'}, tests {'passed' if passed else 'FAILED'}\n")
    return 0 if passed and equal else 1


if __name__ == "__main__":
    sys.exit(main())
