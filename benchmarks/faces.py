"""Faces found, aligned and embedded: in torch against OpenCV's FaceDetectorYN and FaceRecognizerSF, in one run.

    python benchmarks/faces.py [--zoo FOLDER] [--device cpu|cuda] [--photos 48] [--threads 2] [--out FILE]

FOLDER (default: .studio/zoo) holds the two ONNX files that portrait/models/models.json names under `made_from`, from
https://github.com/opencv/opencv_zoo; OpenCV reads them. It needs torch, numpy, opencv (in 5.0 FaceRecognizerSF
fails on this file, so its network is run directly), Pillow and safetensors, and no installation of this project.

Both get the same decoded photos of several sizes and do the same for each: scale its longest side to 640 px, find the
faces, look at each again as portrait/face_search.py does, align, embed. OpenCV takes one photo at a time, which is all
it can do, on the processor; torch takes the photos one by one and all together. How far the answers are apart is
measured too, with the same pixels for both: that is the equality of the networks alone. On a card OpenCV is timed with
every core of the processor too.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from machine import facts, keep, parser
from PIL import Image

ROOT = Path(__file__).parents[1]
if importlib.util.find_spec("portrait_studio") is None:  # this tree, not installed
    package = importlib.machinery.ModuleSpec("portrait_studio", None, is_package=True)
    package.submodule_search_locations = [str(ROOT)]
    sys.modules["portrait_studio"] = importlib.util.module_from_spec(package)

from portrait_studio.portrait import alignment, face_search, faces, identity, warping, weights  # noqa: E402
from portrait_studio.portrait.networks import sface  # noqa: E402

NOTHING = np.zeros(0, np.uint8)
MIN_SCORE = 0.6
SIDES = (512, 768, 1024, 1536)


def photos(count: int) -> list[np.ndarray]:
    """Return renders of the six pocket subjects as RGB uint8, their longest sides one of SIDES."""
    files = sorted((ROOT / "pocket" / "subjects").glob("*/*.jpg"))
    found = []
    for index in range(count):
        picture = Image.open(files[index * len(files) // count]).convert("RGB")
        scale = SIDES[index % len(SIDES)] / max(picture.size)
        found.append(np.array(picture.resize([round(side * scale) for side in picture.size], Image.Resampling.LANCZOS)))
    return found


class OpenCV:
    """The same looks with OpenCV's two networks and its own scaling and turning."""

    def __init__(self, zoo: Path):
        read = [np.fromfile(zoo / weights.pins()[role]["made_from"]["file"], np.uint8) for role in weights.pins()]
        self.detector = cv2.FaceDetectorYN.create("onnx", read[0], NOTHING, (640, 640), MIN_SCORE, 0.3)
        if cv2.__version__.startswith("4."):
            self.feature = cv2.FaceRecognizerSF.create("onnx", read[1], NOTHING).feature
        else:
            self.network = cv2.dnn.readNetFromONNX(read[1])
            self.feature = self._feature

    def _feature(self, face: np.ndarray) -> np.ndarray:
        """Embed as FaceRecognizerSF::feature does (modules/objdetect/src/face_recognize.cpp), the input by its name."""
        self.network.setInput(cv2.dnn.blobFromImage(face, 1, (112, 112), swapRB=True), "data")
        return self.network.forward()

    def look(self, picture: np.ndarray) -> list[faces.Face]:
        """Find faces in a picture (BGR) as it is."""
        self.detector.setInputSize((picture.shape[1], picture.shape[0]))
        rows = self.detector.detect(picture)[1]
        return [] if rows is None else [face_search.from_row(row) for row in rows.tolist()]

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """Return the embedding of each face of a picture (RGB)."""
        picture = picture[..., ::-1].copy()
        scale = 640 / max(picture.shape[:2])
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        first = self.look(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how))
        return [self.embed(picture, self.refined(picture, face_search.moved(face, scale))) for face in first]

    def refined(self, picture: np.ndarray, face: faces.Face) -> faces.Face:
        """Look at a face again, at most three times."""
        closer = face_search.Closer(0, face, face)
        for _ in range(face_search.REFINE_LOOKS):
            if not closer.learn(self.look(self.warp(picture, closer.matrix, face_search.REFINE_SIDE))):
                break
        return closer.best

    def embed(self, picture: np.ndarray, face: faces.Face) -> np.ndarray:
        """Align and embed."""
        matrix = alignment.similarity(np.array(face.landmarks), alignment.TEMPLATE)
        return self.feature(self.warp(picture, matrix, alignment.TEMPLATE_SIDE)).ravel().copy()

    @staticmethod
    def warp(picture: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
        """Turn and scale; what shrinks is averaged first."""
        scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        if scale < warping.SHRINKS:
            square = np.array([(0, 0), (side, 0), (0, side), (side, side)])
            corners = alignment.transformed(square, alignment.inverse(matrix))
            left, top = np.maximum(corners.min(0).astype(int) - 2, 0).tolist()
            right, bottom = (corners.max(0).astype(int) + 3).tolist()
            part = picture[top:bottom, left:right]
            size = np.maximum(np.rint(np.array(part.shape[1::-1]) * scale), 1).astype(int)
            grown = matrix[:, :2] / (size / part.shape[1::-1])
            matrix = np.column_stack((grown, matrix[:, 2] + matrix[:, :2] @ (left, top)))
            picture = cv2.resize(part, size.tolist(), interpolation=cv2.INTER_AREA)
        shifted = matrix.copy()
        shifted[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5  # OpenCV counts from the middle of the first pixel
        return cv2.warpAffine(picture, shifted, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def ours(pictures: Sequence[Any]) -> list[np.ndarray]:
    """Return the embeddings of the faces of each picture with this pack."""
    return identity.embed_all(pictures, faces.detect_all(pictures, MIN_SCORE))


def equality(peer: OpenCV, pictures: Sequence[np.ndarray], device: torch.device) -> dict[str, Any]:
    """Return how far the networks' answers on equal pixels are apart."""
    boxes, scores, cosines, found, differing = [0.0], [0.0], [], 0, 0
    with torch.inference_mode():
        for picture in pictures:
            theirs = peer.look(picture[..., ::-1].copy())
            view = torch.from_numpy(picture).to(device).permute(2, 0, 1).float()
            ((_, own),) = face_search.look([(0, view)], MIN_SCORE)
            differing += len(own) != len(theirs)
            found += len(theirs)
            for a, b in zip(own, theirs, strict=False):
                places = [np.array([*face.box, *np.ravel(face.landmarks)]) for face in (a, b)]
                boxes.append(float(np.abs(places[0] - places[1]).max()))
                scores.append(abs(a.score - b.score))
                aligned = identity.align(picture, b)
                theirs_of = peer.feature(aligned[..., ::-1].copy()).ravel()
                face = torch.from_numpy(aligned).to(device).permute(2, 0, 1)[None].float()
                ours_of = sface.network(str(device))(face)[0].cpu().numpy()
                cosines.append(float(identity.normalised(ours_of) @ identity.normalised(theirs_of)))
    return {
        "faces": found,
        "pictures_with_another_number_of_faces": differing,
        "largest_difference_of_box_and_landmarks_px": float(f"{max(boxes):.3g}"),
        "largest_difference_of_score": float(f"{max(scores):.3g}"),
        "least_cosine_of_embeddings": round(min(cosines), 7),
    }


def timed(way: Callable[[], Any], device: torch.device) -> tuple[float, float]:
    """Return the seconds of one run, the card's work included, and those that the processor's cores worked."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    start, begun = time.perf_counter(), time.process_time()
    way()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, time.process_time() - begun


def with_threads(count: int, way: Callable[[], Any]) -> Any:
    """Do something while OpenCV has another number of threads."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(count)
    try:
        return way()
    finally:
        cv2.setNumThreads(before)


def main() -> None:
    """Print and keep rates, ratios and equality."""
    about = facts()
    given = parser(__doc__)
    given.add_argument("--zoo", type=Path, default=ROOT / ".studio" / "zoo")
    given.add_argument("--device", default="cpu")
    given.add_argument("--photos", type=int, default=48)
    given.add_argument("--threads", type=int, default=2)
    given.add_argument("--rounds", type=int, default=3)
    options = given.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    device = torch.device(options.device)
    peer, pictures = OpenCV(options.zoo), photos(options.photos)
    on_device = pictures if device.type == "cpu" else [torch.from_numpy(picture).to(device) for picture in pictures]
    ways: dict[str, Callable[[], Any]] = {
        "opencv": lambda: [peer(picture) for picture in pictures],
        "one_by_one": lambda: [ours([picture]) for picture in on_device],
        "together": lambda: ours(on_device),
    }
    if device.type != "cpu":
        # The way from the processor to the card and back counts too.
        ways["together_with_upload"] = lambda: ours([torch.from_numpy(picture).to(device) for picture in pictures])
        ways["opencv_on_all_cores"] = lambda: with_threads(os.cpu_count() or 1, ways["opencv"])
    for name, way in ways.items():  # weights read, kernels chosen
        print(f"{name}, the first time: {timed(way, device)[0]:.1f} s", file=sys.stderr, flush=True)
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            spent[name].append(timed(way, device))
            print(f"{name}: {spent[name][-1][0]:.2f} s", file=sys.stderr, flush=True)
    rates = {name: round(options.photos / min(wall for wall, _ in runs), 1) for name, runs in spent.items()}
    work = {name: round(1000 * min(cores for _, cores in runs) / options.photos, 1) for name, runs in spent.items()}
    figures: dict[str, Any] = {
        "photos": options.photos,
        "longest_sides": SIDES,
        "threads": options.threads,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "opencv": cv2.__version__,
        "torch": torch.__version__,
        "photos_per_second": rates,
        "processor_ms_a_photo": work,
        "ratio_one_by_one": round(rates["one_by_one"] / rates["opencv"], 2),
        "ratio_together": round(rates["together"] / rates["opencv"], 2),
        "equality": equality(peer, pictures, device),
    }
    if "opencv_on_all_cores" in rates:
        figures["cores"] = os.cpu_count()
        figures["ratio_together_to_all_cores"] = round(rates["together"] / rates["opencv_on_all_cores"], 2)
    if device.type == "cuda":
        figures["cudnn_tf32"] = torch.backends.cudnn.allow_tf32
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            figures["equality_without_tf32"] = equality(peer, pictures, device)
    theirs, own = ways["opencv"](), ways["together"]()
    pairs = [(a[0], b[0]) for a, b in zip(theirs, own, strict=True) if len(a) and len(b)]
    cosines = [float(identity.normalised(a) @ identity.normalised(b)) for a, b in pairs]
    figures["whole_way"] = {
        "pictures_with_a_face_in_both": len(pairs),
        "median_cosine": round(float(np.median(cosines)), 5),
        "tenth_percentile_of_cosines": round(float(np.percentile(cosines, 10)), 5),
    }
    print(json.dumps(figures, indent=2))
    known = json.loads(options.out.read_text("utf-8")) if options.out and options.out.is_file() else {}
    predicted = {"predicted": known["predicted"]} if "predicted" in known else {}  # written down before the run
    keep(options.out, predicted | figures | {"machine": about})


if __name__ == "__main__":
    main()
