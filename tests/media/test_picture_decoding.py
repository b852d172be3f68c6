"""Pictures of every kind, odd, broken and hostile ones, through the child process."""

from __future__ import annotations

import io
import os
import signal
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL", reason="needs the face extra")

from PIL import Image, ImageCms

from affectome.errors import MissingExtraError
from affectome.media import picture_decoder, picture_decoding
from affectome.media.picture_decoding import PictureDecoder, PictureLimits

RED, GREEN, BLUE, GREY = (220, 30, 20), (30, 200, 40), (20, 40, 220), (128, 128, 128)


def quarters(side=40):
    """Red and green over blue and grey."""
    picture = np.zeros((side, 2 * side, 3), np.uint8)
    half = side // 2
    picture[:half, :side], picture[:half, side:] = RED, GREEN
    picture[half:, :side], picture[half:, side:] = BLUE, GREY
    return picture


def stored(kind, image=None, **options):
    content = io.BytesIO()
    (image or Image.fromarray(quarters())).save(content, kind, **options)
    return content.getvalue()


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, height, *chunks, depth=8, colour=2, rows=b"\0" * 100, interlace=0):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    body = b"".join(chunk(*each) for each in chunks)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + body
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


def small_png(*chunks):
    return png(4, 4, *chunks, rows=(b"\0" + bytes(range(12))) * 4)


@pytest.fixture(scope="module")
def decoder():
    with PictureDecoder() as made:
        yield made


@pytest.fixture
def read(decoder, tmp_path):
    def decode(content, name="picture"):
        path = tmp_path / name
        path.write_bytes(content)
        return decoder.decode(path)

    return decode


def corners(picture):
    """The middle of each quarter."""
    high, wide = picture.pixels.shape[:2]
    return [
        tuple(int(v) for v in picture.pixels[y * high // 4, x * wide // 4]) for y, x in ((1, 1), (1, 3), (3, 1), (3, 3))
    ]


def close(found, wanted, reach=12):
    return np.abs(np.array(found) - np.array(wanted)).max() <= reach


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("PNG", {"compress_level": 0}),
        ("JPEG", {"quality": 95, "subsampling": 0}),
        ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_deflate"}),
        ("PPM", {}),
    ],
)
def test_every_format_shows_what_was_stored(read, kind, options):
    picture = read(stored(kind, **options), "any.name")
    assert (picture.code, picture.width, picture.height) == ("", 80, 40)
    assert close(corners(picture), (RED, GREEN, BLUE, GREY))
    assert picture.format == kind


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(quarters()).convert("P"),
        Image.fromarray(quarters()).convert("CMYK"),
        Image.fromarray(quarters()).convert("RGBA"),
    ],
    ids=lambda image: image.mode,
)
def test_every_mode_shows_what_was_stored(read, image):
    kind = "TIFF" if image.mode == "CMYK" else "PNG"
    assert close(corners(read(stored(kind, image))), (RED, GREEN, BLUE, GREY), 40 if image.mode == "P" else 12)


def test_inverted_inks_of_a_jpeg(read):
    inks = Image.fromarray(quarters()).convert("CMYK")
    assert close(corners(read(stored("JPEG", inks, quality=98, subsampling=0))), (RED, GREEN, BLUE, GREY), 30)


def test_lab_is_turned_into_colours(read):
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(Image.fromarray(quarters()), srgb, lab, outputMode="LAB")
    assert close(corners(read(stored("TIFF", image))), (RED, GREEN, BLUE, GREY), 25)


@pytest.mark.parametrize("side", [1, 4])
def test_one_bit(read, side):
    assert read(stored("PNG", Image.new("1", (side, side), 1))).pixels.min() == 255


def test_sixteen_bits_keep_their_level(read):
    grey = (np.linspace(0, 1, 64)[None].repeat(8, axis=0) * 65535).astype(np.uint16)
    found = read(stored("PNG", Image.fromarray(grey))).pixels[0, :, 0]
    assert np.abs(found.astype(int) - np.linspace(0, 255, 64)).max() <= 1.5
    assert np.abs(read(stored("TIFF", Image.fromarray(grey))).pixels[0, :, 0].astype(int) - found).max() <= 1


def test_floats_that_are_no_numbers_are_black(read):
    values = np.linspace(0, 1, 32, dtype=np.float32)[None].repeat(4, axis=0)
    values[0, :3] = np.nan, np.inf, -np.inf
    found = read(stored("TIFF", Image.fromarray(values)))
    assert found.pixels[0, :3].max() == 0
    assert found.pixels[1, -1, 0] == 255
    stretched = read(stored("TIFF", Image.fromarray(values[1:] * 300 - 40)))
    assert (int(stretched.pixels.min()), int(stretched.pixels.max())) == (0, 255)


def test_what_is_transparent_lies_over_white(read):
    image = Image.fromarray(quarters()).convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    picture = read(stored("PNG", image))
    assert picture.pixels.min() == 255
    assert picture.notes == ("made_opaque",)
    palette = Image.fromarray(quarters()).convert("P")
    assert "made_opaque" in read(stored("GIF", palette, transparency=palette.getpixel((0, 0)))).notes


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_as_their_camera_says(read, orientation):
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # of Image.Transpose; the inverse of what is to be done
    image = Image.fromarray(quarters())
    if orientation > 1:
        image = image.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read(stored("PNG", image, exif=exif))
    assert (picture.width, picture.height) == (80, 40)
    assert picture.pixels.shape == (40, 80, 3)
    assert close(corners(picture), (RED, GREEN, BLUE, GREY))
    assert picture.notes == (("turned",) if orientation > 1 else ())


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first(read, kind):
    frames = [Image.new("RGB", (20, 10), colour) for colour in (RED, GREEN, BLUE)]
    content = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(content, kind, save_all=True, append_images=frames[1:], duration=50, **options)
    picture = read(content.getvalue())
    assert close(corners(picture), [RED] * 4)
    assert picture.notes == ("first_frame",)


def test_large_pictures_become_smaller(read):
    picture = read(stored("JPEG", Image.fromarray(quarters(1500)), quality=90))
    assert (picture.width, picture.height) == (3000, 1500)
    assert picture.pixels.shape == (800, 1600, 3)
    assert close(corners(picture), (RED, GREEN, BLUE, GREY))
    thin = read(stored("PNG", Image.new("RGB", (1, 20_000), RED)))
    assert thin.pixels.shape == (1600, 1, 3)


def test_colours_of_a_profile(read):
    wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert read(stored("PNG", icc_profile=srgb)).notes == ()
    assert read(stored("PNG", icc_profile=b"this is no profile")).notes == ("profile_ignored",)
    assert read(stored("PNG", icc_profile=wide)).code == ""


HOSTILE = {
    "no byte": (b"", "empty"),
    "one byte": (b"\xff", "undecodable"),
    "text": (b"only words\n" * 100, "undecodable"),
    "noise": (np.random.default_rng(0).bytes(5000), "undecodable"),
    "html": (b"<html><body>404</body></html>", "undecodable"),
    "vector": (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "undecodable"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "undecodable"),
    "jpeg mark only": (b"\xff\xd8\xff", "undecodable"),
    "png mark only": (b"\x89PNG\r\n\x1a\n", "truncated"),
    "gif mark only": (b"GIF89a", "truncated"),
    "webp mark only": (b"RIFF\x10\0\0\0WEBPVP8 ", "truncated"),
    "50,000 by 50,000": (png(50_000, 50_000), "too_many_pixels"),
    "4,000,000,000 wide": (png(2**31 - 1, 2), "too_many_pixels"),
    "no width": (png(0, 10), "undecodable"),
    "rows missing": (png(100, 100, rows=b"\0" * 100), "truncated"),
    "compressed bomb": (png(9_999, 9_999, rows=b"\0" * 40_000_000), ("truncated", "decode_memory", "undecodable")),
    "text bomb": (small_png((b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 200_000_000, 9))), ("", "undecodable")),
    "international text bomb": (
        small_png((b"iTXt", b"a\0\1\0\0\0" + zlib.compress(b"x" * 200_000_000, 9))),
        ("", "undecodable"),
    ),
    "profile bomb": (small_png((b"iCCP", b"a\0\0" + zlib.compress(b"\0" * 200_000_000, 9))), ("", "undecodable")),
    "wrong check sum": (small_png().replace(b"IDAT", b"IDAT", 1)[:-20] + b"\0" * 20, None),
    "pixels beyond the palette": (
        png(4, 4, (b"PLTE", bytes(6)), colour=3, rows=(b"\0" + bytes([250] * 4)) * 4),
        ("", "undecodable"),
    ),
    "unknown depth": (png(4, 4, depth=13), "undecodable"),
    "frame outside of its gif": (
        b"GIF89a\x04\0\x04\0\x80\0\0\0\0\0\xff\xff\xff,\xf0\xff\xf0\xff\x02\0\x02\0\0\x02\x02D\x01\0;",
        None,
    ),
    "frame of 65,535 in a small gif": (
        b"GIF89a\x04\0\x04\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;",
        None,
    ),
    "tiff directory that points to itself": (b"II*\0\x08\0\0\0\0\0\x08\0\0\0", "undecodable"),
    "tiff with a million tags": (b"II*\0\x08\0\0\0\xff\xff" + bytes(64), "undecodable"),
    "bmp of a negative size": (b"BM" + bytes(12) + struct.pack("<IiiHH", 40, -5, 7, 1, 24) + bytes(24), None),
    "bmp of 2,000,000,000": (
        b"BM" + bytes(12) + struct.pack("<IiiHHIIiiII", 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0),
        ("too_many_pixels", "undecodable"),
    ),
    "ppm that states too much": (b"P6 60000 60000 255\n\0\0\0", "too_many_pixels"),
    "ppm without a size": (b"P6 x y 255\n", "undecodable"),
}
WHOLE = {kind: stored(kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")}
CUT = {f"half a {kind}": (content[: len(content) // 2], None) for kind, content in WHOLE.items()}
CUT |= {f"{kind} without its end": (content[:-30], None) for kind, content in WHOLE.items()}
FLIPPED = {
    f"{kind}, byte {at} of 10 wrong": (
        content[: len(content) * at // 10] + b"\xa5" + content[len(content) * at // 10 + 1 :],
        None,
    )
    for kind, content in WHOLE.items()
    for at in (1, 3, 5, 8)
}
CODES = ("", "empty", "undecodable", "truncated", "too_many_pixels", "decode_memory", "decode_timeout", "decoder_died")


@pytest.mark.parametrize("name", [*HOSTILE, *CUT, *FLIPPED])
def test_whatever_a_file_holds_there_is_an_answer(read, name):
    content, wanted = (HOSTILE | CUT | FLIPPED)[name]
    started = time.monotonic()
    picture = read(content, "picture.jpg")
    assert time.monotonic() - started < 12
    assert picture.code in (CODES if wanted is None else (wanted,) if isinstance(wanted, str) else wanted)
    assert (picture.pixels is None) == bool(picture.code)
    assert bool(picture.message) == bool(picture.code)
    assert close(corners(read(WHOLE["PNG"])), (RED, GREEN, BLUE, GREY))  # the next one is read


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_what_ends_too_early_is_not_taken_for_whole(read, kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8))
    assert read(stored(kind, noise)[:-5000]).code == "truncated"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell")
def test_the_child_takes_little_memory(decoder, read):
    for name in ("compressed bomb", "text bomb", "profile bomb", "50,000 by 50,000"):
        read(HOSTILE[name][0])
        if decoder._child.process is None:
            continue
        status = Path(f"/proc/{decoder._child.process.pid}/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
        assert peak < 512


def test_a_child_that_dies_is_replaced(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(WHOLE["PNG"])
    with PictureDecoder(PictureLimits(seconds=1.0)) as decoder:
        assert decoder.decode(path).code == ""
        first = decoder._child.process
        first.kill()
        assert decoder.decode(path).code == "decoder_died"
        assert decoder.decode(path).code == ""
        os.kill(decoder._child.process.pid, signal.SIGSTOP)
        assert decoder.decode(path).code == "decode_timeout"
        assert decoder.decode(path).code == ""


def test_too_little_memory_is_a_code(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(WHOLE["PNG"])

    def swell(*_):
        raise MemoryError

    monkeypatch.setattr(picture_decoder, "_plain", swell)
    pixels, findings = picture_decoder.decode(path, longest=100, most_pixels=10_000)
    assert pixels is None
    assert findings.code == "decode_memory"


def test_a_file_that_is_gone(decoder, tmp_path):
    assert decoder.decode(tmp_path / "nowhere.png").code == "undecodable"


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(picture_decoding, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="face"):
        PictureDecoder()


def test_metadata_that_swell_do_not_cost_the_picture(read):
    for name in ("text bomb", "profile bomb", "international text bomb"):
        picture = read(HOSTILE[name][0])
        assert (picture.code, picture.pixels.shape) == ("", (4, 4, 3))
    assert read(HOSTILE["profile bomb"][0]).notes == ("metadata_ignored",)


@pytest.mark.parametrize("kind", sorted(WHOLE))
def test_half_a_file_is_truncated(read, kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 90, 3), dtype=np.uint8))
    content = stored(kind, noise)
    picture = read(content[: len(content) // 2])
    assert picture.code == "truncated"
    assert picture.pixels is None


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_tiff_is_turned_once(read, orientation):
    undo = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    turned = Image.fromarray(quarters()).transpose(undo[orientation])
    picture = read(stored("TIFF", turned, tiffinfo={274: orientation}))
    assert (picture.width, picture.height) == (80, 40)
    assert close(corners(picture), (RED, GREEN, BLUE, GREY))


@pytest.mark.parametrize("mode", ["P", "RGBA", "I;16", "F", "CMYK"])
def test_very_large_pictures_are_read_in_strips(read, mode):
    """Of 1.6 megapixels and more than twice the side that is asked for."""
    large = quarters(900)
    if mode in ("I;16", "F"):
        ramp = np.linspace(0, 1, 3600, dtype=np.float32)[None].repeat(500, axis=0)
        found = read(stored("TIFF", Image.fromarray(ramp if mode == "F" else (ramp * 65535).astype(np.uint16))))
        assert found.pixels.shape == (222, 1600, 3)
        assert np.abs(found.pixels[100, :, 0].astype(int) - np.linspace(0, 255, 1600)).max() <= 2
        return
    picture = read(stored("TIFF", Image.fromarray(large.repeat(2, axis=1)).convert(mode)))
    assert (picture.width, picture.height) == (3600, 900)
    assert picture.pixels.shape == (400, 1600, 3)
    assert close(corners(picture), (RED, GREEN, BLUE, GREY), 40 if mode == "P" else 12)
