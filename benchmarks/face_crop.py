"""How many photos a second are read, searched and cropped, against the plain way with OpenCV alone.

    python benchmarks/face_crop.py [--zoo FOLDER] [--photos 60] [--side 1024] [--threads 2] [--out FILE]

Both read the same JPEG files of one side length, find the face and give a 512 px crop of 2.2 face sides as float32.
The plain way is what the OpenCV tutorial does: cv2.imread, FaceDetectorYN at the photo's own size, cv2.warpAffine.
FOLDER (default: .studio/zoo) holds YuNet's ONNX file, which models.json names under `made_from`, from
https://github.com/opencv/opencv_zoo. The two take turns, photo by photo, so that another load on the machine falls on
both.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch
from machine import facts, keep, parser
from PIL import Image

from portrait_studio.portrait import crops, faces, photos, weights
from portrait_studio.portrait.tensors import to_image

RATIO, SIZE = 2.2, 512


def make_photos(folder: Path, count: int, side: int) -> list[Path]:
    """Write the astronaut `count` times, each a little shifted, mirrored and lit, as JPEG files."""
    source = Image.fromarray(skimage.data.astronaut()).resize((side, side), Image.Resampling.LANCZOS)
    chooser = np.random.default_rng(0)
    paths = []
    for index in range(count):
        shift = tuple(int(value) for value in chooser.integers(-side // 12, side // 12, 2))
        pixels = np.roll(np.asarray(source), shift, (0, 1))
        pixels = pixels[:, ::-1] if index % 2 else pixels
        lit = np.clip(pixels * chooser.uniform(0.7, 1.1), 0, 255).astype(np.uint8)
        paths.append(folder / f"photo{index}.jpg")
        Image.fromarray(lit).save(paths[-1], quality=90)
    return paths


def ours(path: Path) -> torch.Tensor:
    """Read, find and crop with this pack."""
    pixels = photos.read(path)
    image = to_image(pixels)
    found = faces.choose(faces.detect(pixels), "largest")
    height, width = pixels.shape[:2]
    plan = crops.plan([found], height, width, RATIO, level=False)
    return crops.cut(image, plan, SIZE)


def plain(detector: cv2.FaceDetectorYN, path: Path) -> torch.Tensor:
    """Read, find and crop with OpenCV alone."""
    pixels = cv2.imread(str(path))
    assert pixels is not None, f"{path} cannot be read"
    height, width = pixels.shape[:2]
    detector.setInputSize((width, height))
    rows = detector.detect(pixels)[1]
    x, y, wide, high = max(rows, key=lambda row: row[2] * row[3])[:4]
    scale = SIZE / (max(wide, high) * RATIO)
    centre = np.array((x + wide / 2, y + high / 2))
    matrix = np.column_stack((np.eye(2) * scale, SIZE / 2 - centre * scale))
    crop = cv2.warpAffine(pixels, matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return torch.from_numpy(cv2.cvtColor(crop, cv2.COLOR_BGR2RGB).astype(np.float32) / 255)[None]


def main() -> None:
    """Print the rates and their ratio."""
    about = facts()
    given = parser(__doc__)
    given.add_argument("--zoo", type=Path, default=Path(__file__).parents[1] / ".studio" / "zoo")
    given.add_argument("--photos", type=int, default=60)
    given.add_argument("--side", type=int, default=1024)
    given.add_argument("--threads", type=int, default=2)
    options = given.parse_args()
    cv2.setNumThreads(options.threads)
    torch.set_num_threads(options.threads)
    model = np.fromfile(options.zoo / weights.pins()["face_detection"]["made_from"]["file"], np.uint8)
    detector = cv2.FaceDetectorYN.create("onnx", model, np.zeros(0, np.uint8), (320, 320), 0.6)
    ways: dict[str, Callable[[Path], torch.Tensor]] = {"ours": ours, "plain": lambda path: plain(detector, path)}
    spent, worked = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        paths = make_photos(Path(folder), options.photos, options.side)
        for way in ways.values():
            way(paths[0])
        for path in paths:
            for name, way in ways.items():
                start, begun = time.perf_counter(), time.process_time()
                crop = way(path)
                spent[name] += time.perf_counter() - start
                worked[name] += time.process_time() - begun
                if crop.shape != (1, SIZE, SIZE, 3):
                    raise SystemExit(f"{name} gave {tuple(crop.shape)} for {path.name}")
    print(f"{options.photos} photos of {options.side} px, {options.threads} threads, OpenCV {cv2.__version__}")
    for name, seconds in spent.items():
        each, work = 1000 * seconds / options.photos, 1000 * worked[name] / options.photos
        print(f"{name:>6}: {1000 / each:6.1f} photos/s  ({each:.1f} ms each, {work:.1f} ms of processor time)")
    wall, work = spent["plain"] / spent["ours"], worked["plain"] / worked["ours"]
    print(f" ratio: {wall:.2f} times as fast as the plain way ({work:.2f} by processor time)")
    rates = {f"{name}_photos_per_second": round(options.photos / seconds, 1) for name, seconds in spent.items()}
    sizes = {"photos": options.photos, "side": options.side, "threads": options.threads, "opencv": cv2.__version__}
    keep(options.out, sizes | rates | {"ratio": round(wall, 2), "machine": about})


if __name__ == "__main__":
    main()
