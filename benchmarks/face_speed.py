"""Pictures a second of `affectome analyze`, beside a peer on the same pictures.

Run: python benchmarks/face_speed.py --data DIR [--peer-python PYTHON]

The pictures are of 1280 x 720 pixels with one to three faces of FER+ on a background. ``--peer-python`` is an
interpreter that can import fer 25.10.3 (`pip install fer tensorflow-cpu "opencv-contrib-python<5" facenet-pytorch`); it
detects faces with its own detector and reads seven expressions of each, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from affectome.learn.face_corpus import load_faces
from arguments import RESULTS
from throughput import analyze

WIDE, HIGH = 1280, 720
PEER = """
import glob, sys, time
import cv2
from fer.fer import FER
files = sorted(glob.glob(sys.argv[1] + "/*.jpg"))[: int(sys.argv[2])]
detector = FER(mtcnn=sys.argv[3] == "mtcnn")
detector.detect_emotions(cv2.imread(files[0]))
started = time.perf_counter()
found = sum(len(detector.detect_emotions(cv2.imread(file))) for file in files)
print(time.perf_counter() - started, found)
"""


def write_pictures(folder: Path, faces: Any, count: int) -> int:
    """Pictures with one to three faces each; how many faces there are."""
    rng = np.random.default_rng(0)
    total = 0
    for k in range(count):
        slope = np.linspace(rng.integers(30, 200), rng.integers(30, 200), WIDE)[None, :, None]
        picture = (slope * rng.uniform(0.6, 1.2, 3) + rng.normal(0, 4, (HIGH, WIDE, 3))).clip(0, 255).astype(np.uint8)
        wanted = int(rng.integers(1, 4))
        for place in rng.permutation(4)[:wanted]:
            side = int(rng.integers(140, 300))
            face = np.asarray(Image.fromarray(faces[rng.integers(len(faces))]).resize((side, side)))
            left, top = int(place * 320 + rng.integers(321 - side)), int(rng.integers(HIGH - side))
            picture[top : top + side, left : left + side] = face[:, :, None]
        Image.fromarray(picture).save(folder / f"{k:05}.jpg", quality=90)
        total += wanted
    return total


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("AFFECTOME_DATA")
    options.add_argument(
        "--data", type=Path, default=data and Path(data), required=not data, help="folder of the corpora"
    )
    options.add_argument("--pictures", type=int, default=1000)
    options.add_argument("--peer-python", type=Path)
    arguments = options.parse_args()
    faces = load_faces(arguments.data).part("train").pictures
    found: dict[str, Any] = {"machine": f"{os.cpu_count()} processors, {platform.machine()}", "workers": 2}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "pictures"
        folder.mkdir()
        count = write_pictures(folder, faces, arguments.pictures)
        measured = analyze(folder, workers=2)
        found |= {
            "pictures": arguments.pictures,
            "faces": count,
            "seconds": measured["seconds"],
            "pictures_a_second": round(arguments.pictures / measured["seconds"], 1),
            "peak_mebibytes": measured["peak_mib"],
        }
        print(json.dumps(found, indent=1), flush=True)
        if arguments.peer_python:
            found["peer"] = {}
            for name in ("own detector", "mtcnn"):
                some = min(arguments.pictures, 60)
                command = [str(arguments.peer_python), "-c", PEER, str(folder), str(some), name]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    print(name, done.stderr[-300:])
                    continue
                seconds, peers = done.stdout.split()[-2:]
                rate = some / float(seconds)
                found["peer"][f"fer 25.10.3, {name}"] = {
                    "pictures": some,
                    "faces_found": int(peers),
                    "pictures_a_second": round(rate, 2),
                    "times_faster": round(found["pictures_a_second"] / rate, 1),
                }
    print(json.dumps(found, indent=1))
    (RESULTS / "face_speed.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
