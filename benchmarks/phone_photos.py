"""What thirty photos of 48 megapixels cost: the host's memory and the time of the report, reduced and whole.

    python benchmarks/phone_photos.py [--photos 30] [--whole 6] [--compared 10] [--from FOLDER] [--out FILE]

Photos of 8064 x 6048 px are made from the rendered people that come with the pack: faces of many sizes, sensor noise,
about 9 MB each. A host of its own runs `photo-report` on them through the runner, first as it is, and once more in
another host with `size` at `whole`, which is how photos travelled before; that takes 0.6 GB per photo, so `--whole`
says of how many, and the figure for all follows a straight line. Memory is the resident size of the host's process: its
highest value in the run less the value before it. The report's verdicts are compared photo by photo with those on whole
photos, and so are likeness, sharpness and training crops; the same whole photo moved by one pixel, seen as a whole,
says how much of the difference is the detector's own.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from machine import facts, keep, parser
from PIL import Image

from portrait_studio.portrait import faces, identity, originals, photos, quality, report
from portrait_studio.portrait.closeups import CloseUp, close_ups
from portrait_studio.runner import Client, run, start, upload_photos
from portrait_studio.runner.graph import located
from portrait_studio.runner.jobs import build
from portrait_studio.trainer.photo_set import crop_box

ROOT = Path(__file__).parents[1]
GRAPH = located(Path("photo-report"))
SUBJECTS = ROOT / "pocket" / "subjects"
SIZE = (8064, 6048)
SIDES = (1500, 900, 2400, 500, 3400, 300, 180, 1200, 120, 700)  # of the faces, in pixels
NOISE = 5.0  # standard deviation, in steps of 8 bit


def make_photos(folder: Path, count: int) -> list[Path]:
    """Write `count` photos of one person."""
    chooser = np.random.default_rng(48)
    noise = chooser.normal(0, NOISE, (1024, 1024, 3)).astype(np.int16)
    shots = photos.list_folder(SUBJECTS, "nora")
    paths = []
    for index in range(count):
        shot = photos.read(shots[index % len(shots)])
        (face, *_) = faces.detect(shot)
        factor = SIDES[index % len(SIDES)] / face.side
        picture = cv2.resize(shot, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        if index % 7 == 6:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.03 * face.side * factor)
        canvas = cv2.resize(shot[:12], SIZE, interpolation=cv2.INTER_LINEAR)
        high, wide = min(SIZE[1], picture.shape[0]), min(SIZE[0], picture.shape[1])
        top = int(chooser.integers(0, SIZE[1] - high + 1))
        left = int(chooser.integers(0, SIZE[0] - wide + 1))
        middle = face.centre[0] * factor, face.centre[1] * factor
        across = int(np.clip(middle[0] - wide / 2, 0, picture.shape[1] - wide))
        down = int(np.clip(middle[1] - high / 2, 0, picture.shape[0] - high))
        canvas[top : top + high, left : left + wide] = picture[down : down + high, across : across + wide]
        for row in range(0, SIZE[1], 1024):
            strip = canvas[row : row + 1024]
            grain = np.tile(noise, (1, SIZE[0] // 1024 + 1, 1))[: len(strip), : SIZE[0]]
            strip[:] = np.clip(strip + np.roll(grain, int(chooser.integers(1024)), 1), 0, 255)
        paths.append(folder / f"photo-{index + 1:02d}.jpg")
        Image.fromarray(canvas).save(paths[-1], quality=92)
    return paths


class Watch:
    """The highest resident size of a process, in MB, looked up every 20 ms, and its processor time."""

    def __init__(self, process: psutil.Process) -> None:
        self._process, self._end = process, threading.Event()
        self.before = self.highest = self._now()
        self._worked = self._work()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _now(self) -> float:
        return self._process.memory_info().rss / 1e6

    def _work(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    def _look(self) -> None:
        while not self._end.wait(0.02):
            self.highest = max(self.highest, self._now())

    def stop(self) -> dict[str, float]:
        """Return what was used before, at most and at the end, and the processor time spent."""
        self._end.set()
        self._thread.join()
        return {
            "mb_before": round(self.before),
            "mb_growth": round(self.highest - self.before),
            "mb_growth_at_end": round(self._now() - self.before),
            "processor_seconds": round(self._work() - self._worked, 1),
        }


def through_host(paths: list[Path], folder: Path, size: str) -> dict[str, Any]:
    """Run the report in a host of its own, through the runner."""
    comfyui = ROOT / ".studio" / "ComfyUI"
    with (
        start(comfyui, Path(sys.executable), folder / f"host-{size}", arguments=["--cpu"]) as host,
        Client(host.url) as client,
    ):
        # A small job first: the host loads its libraries and the networks of the report once.
        small = build.job(client, GRAPH, {})
        run(small, client, folder / "small")
        watch, own = Watch(psutil.Process(host.process.pid)), Watch(psutil.Process())
        begin = time.perf_counter()
        sent: list[float] = []

        def upload() -> list[str]:
            names = upload_photos(client, paths)
            sent.append(time.perf_counter())
            return names

        job = build.job(client, GRAPH, {}, upload)
        for body in job.prompt.values():
            if body["class_type"] == "PortraitLoadPhotos":
                body["inputs"]["size"] = size
        result = run(job, client, folder / size)
        end = time.perf_counter()
        said = next(
            value["portrait_studio"][0]
            for value in result.outputs.values()
            if "portrait_studio" in value and value["portrait_studio"][0]["kind"] == "photo_report"
        )
        return {
            "photos": len(paths),
            "host": watch.stop(),
            "runner": own.stop(),
            "seconds": round(end - begin, 1),
            "of_them_check_and_upload": round(sent[0] - begin, 1),
            "accepted": said["accepted"],
        }


def compared(paths: list[Path]) -> dict[str, Any]:
    """Compare photo by photo what is seen of reduced photos with what is seen of whole ones, and crops."""
    rows = []
    for path in paths:
        whole, photo = photos.read(path), originals.open_photo(path)
        wanted, seen = close_ups(whole), close_ups(photo)
        if not wanted or not seen:
            rows.append({"found": [len(wanted), len(seen)]})
            continue
        moved = np.pad(whole, ((1, 0), (1, 0), (0, 0)), "edge")
        again = close_ups(moved)
        rows.append({"found": [len(wanted), len(seen)]} | _differences(whole, wanted[0], seen[0], again[0]))
    measured = [row for row in rows if "likeness" in row]
    return {
        "photos": len(rows),
        "same_number_of_faces": sum(row["found"][0] == row["found"][1] for row in rows),
        "face_sides": [row["side"] for row in measured],
        "likeness": _spread([row["likeness"] for row in measured]),
        "likeness_of_whole_moved_by_a_pixel": _spread([row["likeness_moved"] for row in measured]),
        "sharpness_ratio": _spread([row["sharpness"] for row in measured]),
        "training_crop_overlap": _spread([row["overlap"] for row in measured]),
        "training_crop_overlap_moved": _spread([row["overlap_moved"] for row in measured]),
        "training_crop_psnr": _spread([row["psnr"] for row in measured]),
    }


def _differences(whole: np.ndarray, wanted: CloseUp, seen: CloseUp, again: CloseUp) -> dict[str, float]:
    size = (whole.shape[1], whole.shape[0])
    boxes = [crop_box(one.face, size, 2.3) for one in (wanted, seen, again)]
    sides = [(left, top, right - left, bottom - top) for left, top, right, bottom in boxes]
    embeddings = [identity.embed(one.pixels, one.seen) for one in (wanted, seen, again)]
    sharp = [quality.measure(one.pixels, one.seen).sharpness for one in (wanted, seen)]
    # What the trainer cuts comes from the whole photo; what is cut of a region is that of the whole photo, too.
    return {
        "side": round(wanted.face.side),
        "likeness": identity.likeness(embeddings[0], embeddings[1]),
        "likeness_moved": identity.likeness(embeddings[0], embeddings[2]),
        "sharpness": sharp[1] / sharp[0] if sharp[0] else 1.0,
        "overlap": faces.overlap(sides[0], sides[1]),
        "overlap_moved": faces.overlap(sides[0], sides[2]),
        "psnr": _psnr(whole, boxes[0], boxes[1]),
    }


def _psnr(whole: np.ndarray, first: tuple[int, ...], second: tuple[int, ...]) -> float:
    """Return how alike two training crops of 512 px are, in dB, both moved to one middle."""
    crops = []
    for left, top, right, bottom in (first, second):
        crops.append(
            cv2.resize(whole[top:bottom, left:right], (512, 512), interpolation=cv2.INTER_AREA).astype(np.float32)
        )
    error = float(((crops[0] - crops[1]) ** 2).mean())
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "least": round(min(values), 4),
        "median": round(float(np.median(values)), 4),
        "most": round(max(values), 4),
    }


def verdicts(paths: list[Path]) -> dict[str, Any]:
    """Return how many verdicts on reduced photos are those on whole ones, and the others' reasons."""
    names = [path.name for path in paths]
    whole = report.judge([originals.Photo(lambda path=path: photos.read(path)) for path in paths], names)
    reduced = report.judge(photos.open_all(paths), names)
    pairs = list(zip(reduced.verdicts, whole.verdicts, strict=True))
    return {
        "photos": len(paths),
        "equal": sum(first.accepted == second.accepted for first, second in pairs),
        "accepted": len(whole.accepted),
        "held_out_equal": reduced.held_out == whole.held_out,
        "different": [
            [second.name, first.reason, second.reason] for first, second in pairs if first.accepted != second.accepted
        ],
    }


def main() -> None:
    """Make the photos, run both ways, compare, print, and save."""
    about = facts()
    options = parser(__doc__)
    options.add_argument("--photos", type=int, default=30)
    options.add_argument("--whole", type=int, default=6, help="how many photos travel whole")
    options.add_argument("--compared", type=int, default=10, help="how many photos are compared with whole ones")
    options.add_argument("--from", dest="folder", type=Path, help="photos made earlier, instead of making them")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        made = photos.list_folder(given.folder, ".") if given.folder else make_photos(place, given.photos)
        paths = made[: given.photos]
        found = {
            "size": list(SIZE),
            "megabytes_a_file": round(sum(path.stat().st_size for path in paths) / len(paths) / 1e6, 1),
            "reduced": through_host(paths, place, "auto"),
            "whole": through_host(paths[: given.whole], place, "whole"),
            "verdicts": verdicts(paths[: given.compared]),
            "compared": compared(paths[: given.compared]),
            "machine": about,
        }
    print(json.dumps(found, indent=2))
    keep(given.out, found)


if __name__ == "__main__":
    main()
