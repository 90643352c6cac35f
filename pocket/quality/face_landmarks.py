"""Eyes, irises and lips by MediaPipe, a detector that does not come from us: `python face_landmarks.py JOBS`.

It runs in the environment of body_landmarks.py. JOBS is a JSON file, [[picture, [x, y, width, height]], ...], with the
box of a face in pixels. Prints one JSON list: for every face its 478 landmarks [x, y] in pixels of the picture, or null
where it finds none.
"""

import json
import sys
from pathlib import Path

import cv2
import mediapipe  # pyright: ignore[reportMissingImports] - in an environment of its own
import numpy as np

ROOM = 0.5
"""Shares of the face's box that are added on every side."""
SIZE = 512
"""Pixels of the square that the face is brought to: small faces have irises of a pixel or two."""


def main(file: str) -> None:
    """Print the landmarks of the faces."""
    jobs = json.loads(Path(file).read_text("utf-8"))
    found = []
    mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, refine_landmarks=True)
    with mesh as detector:
        for path, (x, y, width, height) in jobs:
            picture = cv2.imread(path)
            assert picture is not None, f"{path} cannot be read"
            side = (1 + 2 * ROOM) * max(width, height)
            left, top = x + width / 2 - side / 2, y + height / 2 - side / 2
            scale = SIZE / side
            matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
            crop = cv2.warpAffine(picture, matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            seen = detector.process(cv2.cvtColor(crop, cv2.COLOR_BGR2RGB)).multi_face_landmarks
            points = seen and [[p.x * side + left, p.y * side + top] for p in seen[0].landmark]
            found.append(points)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
