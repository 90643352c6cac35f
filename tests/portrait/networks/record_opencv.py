"""Write what OpenCV's FaceDetectorYN and FaceRecognizerSF say of the pictures in pictures.py.

    python tests/portrait/networks/record_opencv.py ZOO

ZOO holds the ONNX files that portrait/models/models.json names. The answers go to tests/data/faces/opencv.json.gz.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import cv2
import numpy as np
from pictures import ROOT, pictures, square

MIN_SCORE, NMS = 0.5, 0.3
OUT = ROOT / "tests" / "data" / "faces" / "opencv.json.gz"


def main() -> None:
    zoo = Path(sys.argv[1])
    pins = json.loads((ROOT / "portrait" / "models" / "models.json").read_text("utf-8"))
    find, know = (
        np.frombuffer((zoo / pins[role]["made_from"]["file"]).read_bytes(), np.uint8)
        for role in ("face_detection", "face_recognition")
    )
    nothing = np.zeros(0, np.uint8)
    recogniser = cv2.FaceRecognizerSF.create("onnx", know, nothing)
    answers = {}
    for name, picture in pictures().items():
        # A detector of its own for each: a used one may answer with what it saw before.
        high, wide = picture.shape[:2]
        detector = cv2.FaceDetectorYN.create("onnx", find, nothing, (wide, high), MIN_SCORE, NMS)
        rows = detector.detect(np.ascontiguousarray(picture[..., ::-1]))[1]
        rows = np.zeros((0, 15)) if rows is None else rows
        embedded = [recogniser.feature(square(picture, row)[..., ::-1].copy()).ravel().tolist() for row in rows[:1]]
        answers[name] = {
            "rows": [[round(value, 5) for value in row] for row in rows.tolist()],
            "embeddings": [[round(value, 6) for value in each] for each in embedded],
        }
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(answer)}" for name, answer in answers.items())
    text = f'{{\n  "opencv": "{cv2.__version__}",\n  "min_score": {MIN_SCORE},\n{lines}\n}}\n'
    OUT.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
