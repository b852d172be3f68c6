"""Broken and odd films: each ends in rows or a code, quickly, and the others go on."""

import struct
import time

import numpy as np
import polars as pl
import pytest

pytest.importorskip("PIL", reason="needs the face extra")
av = pytest.importorskip("av", reason="needs the voice extra")

from film_made import SquareFinder, squares, write_film

from affectome.media import FilmDecoder, FilmLimits, read_films

PIECES = {
    "undecodable": [
        "empty.mp4",
        "zeros.mp4",
        "zeros.mkv",
        "random.mp4",
        "random.avi",
        "random.webm",
        "text.mov",
        "html.mp4",
        "picture.mp4",
        "moving_picture.mp4",
        "zip.mkv",
        "head_only.mp4",
        "head_only.mkv",
        "cut_before_index.mp4",
        "no_pictures.avi",
        "playlist.mp4",
        "concat.avi",
    ],
    "no_video_stream": ["sound.mkv"],
    "truncated": ["half.mkv"],
    "": [
        "half.avi",  # whose length is in the index that is gone
        "one_picture.mp4",
        "one_a_second.mp4",
        "many_a_second.mp4",
        "turned.mp4",
        "tiny.mp4",
        "odd_size.mkv",
        "wide.mkv",
        "ten_hours.mkv",
        "named_wrongly.avi",
        "flipped_bits.mkv",
        "resized.ts.mpg",
        "grey.mkv",
    ],
}
SQUARE = squares([(160, 90, 60)])


def _make(path):
    kind = path.name
    film = write_film(path.parent / "whole.mkv", [squares([(60 + k, 90, 60)]) for k in range(100)]).read_bytes()
    random = np.random.default_rng(3).integers(0, 256, 20_000, np.uint8).tobytes()
    match kind.split(".")[0]:
        case "empty":
            path.write_bytes(b"")
        case "zeros":
            path.write_bytes(bytes(20_000))
        case "random":
            path.write_bytes(random)
        case "text":
            path.write_text("no film at all\n" * 99)
        case "html":
            path.write_text("<html><video src=http://example.org/a.mp4></html>")
        case "picture" | "moving_picture":
            from PIL import Image

            image = Image.fromarray(SQUARE)
            image.save(path, "GIF" if kind.startswith("moving") else "PNG")
        case "zip":
            path.write_bytes(b"PK\x03\x04" + random)
        case "head_only":
            path.write_bytes(struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) if kind.endswith("mp4") else film[:60])
        case "cut_before_index":
            write_film(path, [SQUARE] * 50)
            path.write_bytes(path.read_bytes()[:-800])
        case "no_pictures":
            with av.open(str(path), "w") as file:
                stream = file.add_stream("mpeg4", rate=25)
                stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
                file.start_encoding()
        case "playlist":
            path.write_text("#EXTM3U\n#EXTINF:5,\nhttp://example.org/a.ts\n#EXT-X-ENDLIST\n")
        case "concat":
            path.write_text("ffconcat version 1.0\nfile /etc/passwd\n")
        case "sound":
            with av.open(str(path), "w") as file:
                track = file.add_stream("pcm_s16le", rate=16_000, layout="mono")
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), format="s16", layout="mono")
                frame.rate = 16_000
                file.mux(track.encode(frame))
        case "half":
            write_film(path, [squares([(60 + k, 90, 60)]) for k in range(150)])
            content = path.read_bytes()
            path.write_bytes(content[: len(content) // 2])
        case "one_picture":
            write_film(path, [SQUARE])
        case "one_a_second":
            write_film(path, [SQUARE] * 6, rate=1)
        case "many_a_second":
            write_film(path, [SQUARE] * 480, rate=240)
        case "turned":
            write_film(path, [SQUARE] * 25, turned=90)
        case "tiny":
            write_film(path, [np.full((2, 2, 3), 90, np.uint8)] * 25)
        case "odd_size":
            write_film(path, [np.full((181, 321, 3), 90, np.uint8)] * 25, codec="ffv1")
        case "wide":
            write_film(path, [np.full((16, 8192, 3), 90, np.uint8)] * 3, codec="ffv1")
        case "ten_hours":
            write_film(path, [squares([], shade=0)] * 601, times=[k * 25 * 60 for k in range(601)])
        case "named_wrongly":
            path.write_bytes(film)
        case "flipped_bits":
            broken = bytearray(film)
            for place in np.random.default_rng(5).integers(len(film) // 4, len(film) - 2000, 12):
                broken[place] ^= 0x55
            path.write_bytes(bytes(broken))
        case "resized":
            parts = []
            for wide, high in ((320, 180), (160, 120)):
                part = path.parent / f"part{wide}.ts"
                write_film(part, [squares([(80, 60, 40)], wide=wide, high=high)] * 25, codec="mpeg2video")
                parts.append(part.read_bytes())
            path.write_bytes(b"".join(parts))
        case "grey":
            write_film(path, [SQUARE] * 25, codec="ffv1")
    return path


@pytest.mark.parametrize(("code", "name"), [(code, name) for code, names in PIECES.items() for name in names])
def test_odd_films_end_in_a_code_or_pictures(tmp_path, code, name):
    path = _make(tmp_path / name)
    began = time.monotonic()
    with FilmDecoder(FilmLimits(picture_seconds=10)) as decoder:
        *taken, findings = decoder.decode(path)
    assert time.monotonic() - began < 10
    allowed = {"truncated", "damaged", "undecodable"} if code == "truncated" else {code}
    if name.startswith(("flipped", "resized")):
        allowed |= {"damaged", "truncated"}
    assert findings.code in allowed
    assert bool(taken) is (findings.code not in ("undecodable", "no_video_stream"))
    assert bool(findings.message) is bool(findings.code)
    seconds = [each.second for each in taken]
    assert all(second >= 0 for second in seconds)


def test_the_others_go_on(tmp_path):
    for name in ("random.mp4", "empty.mp4", "sound.mkv"):
        _make(tmp_path / name)
    (tmp_path / "whole.mkv").unlink()
    write_film(tmp_path / "z_good.mp4", [SQUARE] * 25)
    finder = SquareFinder()
    source = read_films([tmp_path], finder=finder, digest="")
    rows = pl.concat(source.shards())
    codes = dict(rows.select("source", "error").unique().rows())
    assert codes == {
        "empty.mp4": "undecodable",
        "random.mp4": "undecodable",
        "sound.mkv": "no_video_stream",
        "z_good.mp4": "",
    }
    assert len(source.problems) == 3
