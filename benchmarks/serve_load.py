"""How `affectome serve` bears 64 clients that send texts, recordings and streams of sound at once.

Run: python benchmarks/serve_load.py [--minutes 10]

Half of the time every client sends its next request as soon as the last one is answered, which gives the capacity;
the other half short texts come at half that rate, spread evenly, and their latency is measured. Of 64 clients 56 send
texts, 6 send recordings as jobs and 2 stream sound as fast as it would be spoken. Server and clients share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import platform
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.client import connect

from arguments import RESULTS

TEXTERS, SENDERS, STREAMERS = 56, 6, 2
RATE = 16_000
WORDS = ["I", "we", "they", "never", "always", "felt", "saw", "lost", "won", "the", "match", "bus", "letter", "friend"]
WORDS += ["so", "happy", "angry", "tired", "proud", "today"]
BOUNDARY = "affectome-load"


class Client:
    """One connection that is kept open, and opened again where the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._pipe: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> tuple[int, Any]:
        """Status and JSON of an answer."""
        for _ in range(2):
            if self._pipe is None:
                self._pipe = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._pipe
            try:
                head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\n"
                writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
                answer = await reader.readuntil(b"\r\n\r\n")
            except (OSError, asyncio.IncompleteReadError):
                self._pipe = None  # it was idle for longer than the server keeps it
                continue
            lines = answer.decode().lower().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines[1:] if line)
            content = await reader.readexactly(int(headers.get("content-length", 0)))
            if headers.get("connection") == "close":
                writer.close()
                self._pipe = None
            return int(lines[0].split()[1]), json.loads(content) if content else None
        raise ConnectionError("The server closes every connection.")


class Load:
    """What the clients did and saw."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.statuses: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.jobs: Counter[str] = Counter()
        self.pause = 0.0  # seconds between the requests of one client that sends texts
        self.over = False

    async def text_client(self, seed: int) -> None:
        rng, client = random.Random(seed), Client(self.port)
        due = time.perf_counter() + rng.random() * self.pause
        while not self.over:
            if self.pause:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                due += self.pause
            body = json.dumps({"text": " ".join(rng.choices(WORDS, k=rng.randint(4, 24)))}).encode()
            # Latency counts from when the request was due, so that a slow server cannot hide behind waiting clients.
            started = min(due - self.pause, time.perf_counter()) if self.pause else time.perf_counter()
            status, _ = await client.ask("POST", "/v1/text", body)
            self.statuses[f"text {status}"] += 1
            if status == 200:
                self.latencies.append(time.perf_counter() - started)
            else:
                await asyncio.sleep(0.5)

    async def job_client(self, seed: int) -> None:
        client, body = Client(self.port), upload(recording(seed))
        while not self.over:
            status, job = await client.ask("POST", "/v1/jobs", body, f"multipart/form-data; boundary={BOUNDARY}")
            self.statuses[f"job {status}"] += 1
            if status != 202:
                await asyncio.sleep(2)
                continue
            link = job["links"]["self"]
            while job["status"] in ("queued", "running") and not self.over:
                await asyncio.sleep(0.5)
                status, job = await client.ask("GET", link)
                self.statuses[f"look {status}"] += 1
            self.jobs[job["status"]] += 1
            status, _ = await client.ask("DELETE", link)
            self.statuses[f"erase {status}"] += 1

    async def stream_client(self, seed: int) -> None:
        sound = recording(seed, seconds=30)[44:]  # behind the header
        async with connect(f"ws://127.0.0.1:{self.port}/v1/stream/audio", max_size=None) as stream:
            await stream.send(json.dumps({"purpose": "research"}))
            taking = asyncio.create_task(self._take(stream))
            while not self.over:
                for start in range(0, len(sound), RATE):  # half a second of 16-bit samples
                    await stream.send(sound[start : start + RATE])
                    await asyncio.sleep(0.5)
                    if self.over:
                        break
            await stream.send(json.dumps({"type": "end"}))
            await taking

    async def _take(self, stream: Any) -> None:
        async for message in stream:
            self.statuses[f"stream {json.loads(message)['type']}"] += 1


def recording(seed: int, seconds: int = 6) -> bytes:
    """A WAV file with a voiced sound whose pitch and loudness move."""
    rng = np.random.default_rng(seed)
    t = np.arange(seconds * RATE) / RATE
    pitch = 120 + 60 * rng.random() + 30 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    voiced = sum(np.sin(k * phase) / k for k in range(1, 12)) * (0.55 + 0.45 * np.sin(2 * np.pi * 3 * t))
    samples = (voiced / np.abs(voiced).max() * 20_000 + rng.normal(0, 80, len(t))).astype("<i2")
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return made.getvalue()


def upload(content: bytes) -> bytes:
    fields = {"purpose": "research", "whole_clips": "true"}
    parts = [f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    named = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="files"; filename="clip.wav"\r\n\r\n'
    return "".join([*parts, named]).encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def mebibytes(pid: int) -> float:
    """Memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def watch(pid: int, memory: list[float], load: Load) -> None:
    while not load.over:
        memory.append(round(mebibytes(pid), 1))
        await asyncio.sleep(1)


async def measure(port: int, pid: int, minutes: float) -> dict[str, Any]:
    memory: list[float] = []
    found: dict[str, Any] = {"clients": TEXTERS + SENDERS + STREAMERS, "minutes": minutes}
    rate = 0.0
    for name in ("full load", "half load"):
        load = Load(port)
        load.pause = TEXTERS / (rate / 2) if rate else 0.0
        tasks = [asyncio.create_task(load.text_client(k)) for k in range(TEXTERS)]
        tasks += [asyncio.create_task(load.job_client(k)) for k in range(SENDERS)]
        tasks += [asyncio.create_task(load.stream_client(k)) for k in range(STREAMERS)]
        tasks.append(asyncio.create_task(watch(pid, memory, load)))
        started = time.perf_counter()
        await asyncio.wait(tasks, timeout=minutes * 30, return_when=asyncio.FIRST_EXCEPTION)
        load.over = True
        await asyncio.gather(*tasks)
        seconds = time.perf_counter() - started
        rate = len(load.latencies) / seconds
        p50, p95, p99 = (round(1000 * float(q)) for q in np.quantile(load.latencies, [0.5, 0.95, 0.99]))
        found[name] = {
            "texts_a_second": round(rate, 1),
            "milliseconds": {"p50": p50, "p95": p95, "p99": p99},
            "answers": dict(sorted(load.statuses.items())),
            "jobs": dict(sorted(load.jobs.items())),
        }
        print(name, json.dumps(found[name]), flush=True)
    warm = memory[len(memory) // 10 :]
    half = len(warm) // 2
    found["server_mebibytes"] = {
        "first_half_median": round(float(np.median(warm[:half])), 1),
        "second_half_median": round(float(np.median(warm[half:])), 1),
        "peak": max(memory),
        "every_tenth_part": memory[:: max(1, len(memory) // 10)],
    }
    return found


async def ready(port: int, process: subprocess.Popen[bytes]) -> None:
    while True:
        if process.poll() is not None:
            raise SystemExit("The server does not start.")
        with contextlib.suppress(OSError):
            if (await Client(port).ask("GET", "/ready"))[0] == 200:
                return
        await asyncio.sleep(0.2)


async def run(minutes: float) -> dict[str, Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        words = ["serve", "--port", str(port), "--folder", folder, "--requests-a-minute", "1000000"]
        process = subprocess.Popen([sys.executable, "-m", "affectome", *words], stdout=subprocess.DEVNULL)
        try:
            await ready(port, process)
            found = await measure(port, process.pid, minutes)
        finally:
            process.send_signal(signal.SIGTERM)
            found_exit = process.wait(60)
    return {"machine": f"{os.cpu_count()} processors, {platform.machine()}", **found, "exit_code": found_exit}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=10.0)
    result = asyncio.run(run(options.parse_args().minutes))
    print(json.dumps(result, indent=1))
    (RESULTS / "serve_load.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
