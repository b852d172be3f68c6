"""Time and memory of `affectome analyze` on one and on two hours of speech, beside openSMILE on the same sound.

Run: python benchmarks/voice_speed.py --data DIR

The recording is made of the clips of two corpora with pauses between them. openSMILE measures features only; its time
is given where it is installed, for scale.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np

from affectome.learn.voice_corpora import load_clips, load_voice_corpus
from affectome.perceive.spectrum import RATE
from arguments import RESULTS
from throughput import analyze

PAUSE = 0.4  # seconds


def write_speech(path: Path, clips: list[Any], hours: float) -> None:
    """A recording of speech, clip after clip."""
    rng = np.random.default_rng(0)
    left = int(hours * 3600 * RATE)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        while left > 0:
            for k in rng.permutation(len(clips)):
                samples = np.concatenate([clips[k], np.zeros(int(PAUSE * RATE), np.float32)])[:left]
                out.writeframes((samples * 32767).astype("<i2").tobytes())
                left -= len(samples)


def opensmile_seconds(path: Path) -> float | None:
    """Seconds that the features of one hour take, from those of its first three minutes."""
    try:
        import opensmile
    except ImportError:
        return None
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals
    )
    with wave.open(str(path), "rb") as sound:
        samples = np.frombuffer(sound.readframes(180 * RATE), "<i2").astype(np.float32) / 32768
    started = time.perf_counter()
    smile.process_signal(samples, RATE)
    return round((time.perf_counter() - started) * 20, 1)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("AFFECTOME_DATA")
    options.add_argument(
        "--data", type=Path, default=data and Path(data), required=not data, help="folder of the corpora"
    )
    options.add_argument("--hours", type=float, nargs="+", default=[1.0, 2.0])
    arguments = options.parse_args()
    files = [file for name in ("ravdess", "emodb") for file in load_voice_corpus(name, arguments.data).files]
    clips = load_clips(files)
    found: dict[str, Any] = {"machine": f"{os.cpu_count()} processors, {platform.machine()}", "workers": 2, "hours": {}}
    with tempfile.TemporaryDirectory() as folder:
        for hours in arguments.hours:
            path = Path(folder) / f"speech-{hours:g}.wav"
            write_speech(path, clips, hours)
            measured = analyze(path, workers=2)
            found["hours"][f"{hours:g}"] = {
                "seconds": measured["seconds"],
                "times_real_time": round(hours * 3600 / measured["seconds"], 1),
                "stretches": measured["rows"],
                "peak_mib": measured["peak_mib"],
            }
            print(hours, found["hours"][f"{hours:g}"], flush=True)
            seconds = opensmile_seconds(path)
            if seconds and "opensmile_seconds_an_hour_one_core" not in found:
                found["opensmile_seconds_an_hour_one_core"] = seconds
            path.unlink()
    (RESULTS / "voice_speed.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
