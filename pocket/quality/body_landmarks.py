"""Body landmarks by MediaPipe, a detector that does not come from us: `python body_landmarks.py PICTURE ...`.

It runs in an environment of its own, since mediapipe asks for other versions of what the studio uses:
`uv venv judge && uv pip install --python judge/bin/python "mediapipe<0.10.22"`. Prints one JSON list: for every
picture its 33 landmarks [x, y, visibility] in pixels, or null where it finds no body.
"""

import json
import sys

import cv2
import mediapipe  # pyright: ignore[reportMissingImports] - in an environment of its own


def main(paths: list[str]) -> None:
    """Print the landmarks of the pictures."""
    found = []
    with mediapipe.solutions.pose.Pose(static_image_mode=True, model_complexity=1) as detector:
        for path in paths:
            picture = cv2.imread(path)
            assert picture is not None, f"{path} cannot be read"
            height, width = picture.shape[:2]
            seen = detector.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).pose_landmarks
            points = seen and [[p.x * width, p.y * height, p.visibility] for p in seen.landmark]
            found.append(points)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
