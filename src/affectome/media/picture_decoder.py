"""What the child process does that decodes pictures of unknown origin; see `affectome.media.child_program`.

It imports nothing of this package. A request names the file and its limits; the answer is a block with the pixels, if
there are any, and what was found.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM")
_LARGEST_PROFILE = 1 << 20  # bytes; real ones have some kilobytes
_HIGHEST = 65_535  # value of 16 bits
_STRIP = 1 << 20  # pixels that are converted at a time
_PNG = b"\x89PNG\r\n\x1a\n"
_TAIL = 4096  # bytes in which the mark of the end is looked for
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # chunks of a PNG


@dataclass
class PictureFindings:
    """What is known of a picture once it is decoded.

    Args:
        code: Empty, or why it could not be decoded.
        message: The same for people.
        format: How it is stored, such as ``JPEG``.
        width: Pixels across as it is shown, before it was made smaller.
        height: Pixels down.
        shape: Rows and columns of what was decoded.
        notes: What was done to it: ``turned`` as its camera says, ``first_frame`` of several, ``made_opaque`` over
            white, ``profile`` converted to sRGB or ``profile_ignored``, ``orientation_ignored``, ``metadata_ignored``.
    """

    code: str = ""
    message: str = ""
    format: str = ""
    width: int = 0
    height: int = 0
    shape: tuple[int, int] = (0, 0)
    notes: list[str] = field(default_factory=list)


class UndecodableError(Exception):
    """The picture cannot be decoded."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def load() -> None:
    """Import what decoding needs, before memory is limited."""
    import numpy  # noqa: F401
    from PIL import Image, ImageCms  # noqa: F401

    Image.init()


def answer(request: dict[str, Any], give: Callable[[bytes], None]) -> dict[str, object]:
    """Decode the picture of a request, as `decode` does."""
    pixels, findings = decode(Path(request.pop("path")), **request)
    if pixels is not None:
        give(pixels.tobytes())
    return asdict(findings)


def decode(path: Path, *, longest: int, most_pixels: int) -> tuple[Any, PictureFindings]:
    """Decode a picture into RGB values of 8 bits.

    Args:
        path: The file.
        longest: Pixels of the longer side to which a larger picture is made smaller.
        most_pixels: Pixels above which a picture is not decoded at all, by what its header says.

    Returns:
        An array (h, w, 3), None if it could not be decoded, and what was found; never raises for what is in the file.
    """
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the limit here is the caller's
    findings, shortened = PictureFindings(), False
    try:
        with path.open("rb") as stream:
            if not (size := os.fstat(stream.fileno()).st_size):
                raise UndecodableError("empty", "The file is empty.")
            shortened = _ends_early(stream, size)
            with _opened(stream, findings.notes) as image:
                findings.format = image.format or ""
                findings.width, findings.height = image.size
                if image.width * image.height > most_pixels:
                    raise UndecodableError(
                        "too_many_pixels",
                        f"It has {image.width:,} × {image.height:,} pixels, more than {most_pixels:,}.",
                    )
                return _decoded(image, longest, findings), findings
    except UndecodableError as error:
        findings.code, findings.message = error.code, str(error)
    except MemoryError:
        findings.code, findings.message = "decode_memory", "Decoding it takes too much memory."
    except Exception as error:  # whatever a library makes of a file, the next one is not to suffer
        findings.code, findings.message = _told(error, shortened=shortened)
    return None, findings


def _opened(stream: IO[bytes], notes: list[str]) -> Any:  # noqa: ANN401 - a Pillow image
    from PIL import Image

    try:
        return Image.open(stream, formats=FORMATS)
    except ValueError:  # metadata of a PNG that swell beyond what the library allows
        stream.seek(0)
        if stream.read(len(_PNG)) != _PNG:
            raise
        notes.append("metadata_ignored")
        return Image.open(io.BytesIO(_without_metadata(stream)), formats=FORMATS)


def _without_metadata(stream: IO[bytes]) -> bytes:
    """A PNG, of which the mark is read, with nothing but its pixels."""
    kept = [_PNG]
    while len(head := stream.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name in _PIXELS:
            kept += [head, stream.read(length + 4)]
        else:
            stream.seek(length + 4, os.SEEK_CUR)
    return b"".join(kept)


def _ends_early(stream: IO[bytes], size: int) -> bool:
    """Whether a file lacks the end that its format, or its own header, says it has."""
    start = stream.read(12)
    stream.seek(max(0, size - _TAIL))
    end = stream.read(_TAIL)
    stream.seek(0)
    if start.startswith(_PNG):
        return b"IEND" not in end
    if start.startswith(b"\xff\xd8\xff"):
        return size > 3 and b"\xff\xd9" not in end
    if start.startswith(b"GIF8"):
        return b";" not in end[-16:]
    if start.startswith((b"RIFF", b"BM")) and len(start) == 12:
        riff = start.startswith(b"RIFF")
        (stated,) = struct.unpack("<I", start[4:8] if riff else start[2:6])
        return bool(stated + (8 if riff else 0) > size)
    return False


def _told(error: Exception, *, shortened: bool) -> tuple[str, str]:
    """Code and message of what a library raised."""
    from PIL import UnidentifiedImageError

    if shortened:
        return "truncated", "The file ends before the picture does."
    if isinstance(error, UnidentifiedImageError):
        return "undecodable", f"It is no picture of a known format ({', '.join(FORMATS)})."
    text = str(error)
    if isinstance(error, OSError) and ("truncated" in text or "broken data stream" in text):
        return "truncated", "The file ends before the picture does."
    return "undecodable", f"Decoding it fails: {type(error).__name__}."


def _decoded(image: Any, longest: int, findings: PictureFindings) -> Any:  # noqa: ANN401 - a Pillow image
    import numpy as np

    notes = findings.notes
    turn = _orientation(image, notes)
    profile = image.info.get("icc_profile")
    image.draft("RGB", (longest, longest))  # a large JPEG is made smaller while it is decoded
    if getattr(image, "is_animated", False) and image.format != "MPO":
        notes.append("first_frame")
    image.load()
    if image.format == "TIFF":  # the library turned it while loading
        turn = None
        if image.size != (findings.width, findings.height):
            notes.append("turned")
            findings.width, findings.height = image.size
    image = _smaller(_plain(image, longest, notes), longest)
    if profile:
        image = _in_srgb(image, profile, notes)
    image = image.convert("RGB")
    if turn is not None:
        image = image.transpose(turn)
        notes.append("turned")
        if image.width != image.height and (image.width > image.height) != (findings.width > findings.height):
            findings.width, findings.height = findings.height, findings.width
    findings.shape = (image.height, image.width)
    return np.ascontiguousarray(image)


def _orientation(image: Any, notes: list[str]) -> Any:  # noqa: ANN401
    """How the picture has to be transposed to stand as its camera says, None if it stands."""
    from PIL import ExifTags, Image

    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    try:
        return turns.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # damaged metadata are no reason not to look
        notes.append("orientation_ignored")
        return None


def _plain(image: Any, longest: int, notes: list[str]) -> Any:  # noqa: ANN401
    """A picture of any mode as ``L``, ``RGB`` or ``CMYK``, opaque, of 8 bits, and smaller if it is very large.

    That is done in strips, so that no second picture of the full size is in memory.
    """
    from PIL import Image

    factor = max(image.size) // longest
    if factor < 2 and image.width * image.height <= _STRIP:
        return _strip(image, _extent(image, image.height), notes)
    factor = max(factor, 1)
    step = max(_STRIP // image.width // factor, 1) * factor
    extent = _extent(image, step)
    whole = None
    for top in range(0, image.height, step):
        piece = image.crop((0, top, image.width, min(top + step, image.height)))
        piece.info = image.info
        piece = _strip(piece, extent, notes)
        if factor > 1:
            piece = piece.reduce(factor)
        if whole is None:
            size = tuple(-(-side // factor) for side in image.size)
            whole = Image.new(piece.mode, size)
        whole.paste(piece, (0, top // factor))
    return whole


def _strip(image: Any, extent: tuple[float, float], notes: list[str]) -> Any:  # noqa: ANN401
    """A part of a picture as `_plain` gives it."""
    from PIL import Image

    mode = image.mode
    if mode in ("L", "RGB", "CMYK"):
        if "transparency" not in image.info:
            return image
        image = image.convert("RGBA")
    elif mode.startswith(("I", "F")):
        return Image.fromarray(_eight_bits(image, extent))
    elif mode == "LAB":
        from PIL import ImageCms

        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    elif mode in ("RGBA", "LA", "PA", "La", "RGBa") or (mode == "P" and "transparency" in image.info):
        image = image.convert("RGBA")
    else:
        return image.convert("RGB")
    if "made_opaque" not in notes:
        notes.append("made_opaque")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white.convert("RGB")


def _extent(image: Any, step: int) -> tuple[float, float]:  # noqa: ANN401
    """The values that are black and white in a picture of 16 or 32 bits or floats.

    Integers are taken as 16 bits if they fit; floats as the share of white if they fit. What does not is stretched from
    its least to its greatest value.
    """
    if not image.mode.startswith(("I", "F")):
        return 0.0, 255.0
    full = 1.0 if image.mode.startswith("F") else float(_HIGHEST)
    low, high = 0.0, full
    least, greatest = [], []
    for top in range(0, image.height, step):
        values = _finite(image.crop((0, top, image.width, min(top + step, image.height))))
        least.append(float(values.min()))
        greatest.append(float(values.max()))
    if min(least) < 0 or max(greatest) > full:
        low, high = min(least), max(greatest)
    return low, high


def _eight_bits(image: Any, extent: tuple[float, float]) -> Any:  # noqa: ANN401
    """Grey values from black to white; what is no number is black."""
    import numpy as np

    low, high = extent
    values = (_finite(image) - np.float32(low)) * np.float32(255 / max(high - low, 1e-12))
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def _finite(image: Any) -> Any:  # noqa: ANN401
    import numpy as np

    values = np.asarray(image, np.float32)
    good = np.isfinite(values)
    return values if good.all() else np.where(good, values, np.float32(0))


def _smaller(image: Any, longest: int) -> Any:  # noqa: ANN401
    from PIL import Image

    scale = longest / max(image.size)
    if scale >= 1:
        return image
    size = tuple(max(1, round(side * scale)) for side in image.size)
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _in_srgb(image: Any, profile: bytes, notes: list[str]) -> Any:  # noqa: ANN401
    """A picture in the colours that screens have, as its profile says what its numbers mean."""
    from PIL import ImageCms

    try:
        if len(profile) > _LARGEST_PROFILE:
            raise UndecodableError("profile", "too large")
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except Exception:  # a profile that cannot be used is no reason not to look
        notes.append("profile_ignored")
        return image
    notes.append("profile")
    return converted
