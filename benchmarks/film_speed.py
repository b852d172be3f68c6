"""How many times faster than real time `affectome analyze` reads films, and the memory that takes.

Run: python benchmarks/film_speed.py --data DIR [--minutes 2 10]

The films are of 1280 x 720 pixels at 24 pictures a second with two drawn people who speak in turns, H.264 where libav
can write it; face and voice are read and fused, with two workers and the report. Longer films repeat the same two
minutes, so that time and memory can be compared.
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

import av

from arguments import RESULTS, parser
from made_films import Theatre
from throughput import analyze

TURNS = 32


def repeat(path: Path, out: Path, seconds: float) -> float:
    """Write the same film again and again until it is so long; how long it is."""
    with av.open(str(path)) as one, av.open(str(out), "w") as film:
        streams = {stream.index: film.add_stream_from_template(stream) for stream in one.streams}
        length = one.duration / 1e6 + 0.2  # sound starts a little before, so that parts would overlap
        packets = [packet for packet in one.demux() if packet.dts is not None]
        count = max(1, round(seconds / length))
        data = [(p.stream.index, bytes(p), p.pts, p.dts, p.time_base, p.is_keyframe) for p in packets]
        for turn in range(count):
            for index, content, pts, dts, base, key in data:
                packet = av.Packet(content)
                shift = round(turn * length / base)
                packet.pts, packet.dts, packet.time_base, packet.is_keyframe = pts + shift, dts + shift, base, key
                packet.stream = streams[index]
                film.mux(packet)
        return count * length


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--minutes", type=float, nargs="+", default=[2, 10])
    arguments = options.parse_args()
    found: dict[str, Any] = {"machine": f"{os.cpu_count()} processors, {platform.machine()}", "workers": 2, "films": []}
    with tempfile.TemporaryDirectory() as made:
        short = Path(made) / "short.mp4"
        Theatre(arguments.data).play(short, 7, turns=TURNS, rate=24, codec="libx264")
        for minutes in arguments.minutes:
            folder = Path(made) / f"{minutes:g}"
            folder.mkdir()
            seconds = repeat(short, folder / "film.mp4", 60 * minutes)
            measured = analyze(folder, workers=2)
            row = {
                "film_seconds": round(seconds, 1),
                "seconds": round(measured["seconds"], 1),
                "times_real_time": round(seconds / measured["seconds"], 2),
                "peak_mebibytes": measured["peak_mib"],
            }
            found["films"].append(row)
            print(json.dumps(row), flush=True)
    (RESULTS / "film_speed.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
