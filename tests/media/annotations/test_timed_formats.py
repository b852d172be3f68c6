"""TextGrid, EAF and WebVTT files as other tools write them, and broken ones."""

import pytest

from affectome.errors import InputError
from affectome.media.annotations import read_annotations, write_annotations
from affectome.media.annotations.table import split_name, value_name, valued_name

SHORT = '''"ooTextFile"
"TextGrid"

0 2.5 <exists> 2
"IntervalTier" "words" 0 2.5 3
0 0.5 ""
0.5 1.5 "say ""hi""" ! a comment with "quotes"
1.5 2.5 ""
"TextTier" "bell" 0 2.5 1
2 "ding"
'''


def rows(path, *columns):
    return sorted(read_annotations(path).select(columns).rows(), key=repr)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_short_textgrid(encoding, tmp_path):
    path = tmp_path / "a.textgrid"
    path.write_text(SHORT.replace("ding", "dïng"), encoding=encoding)
    assert rows(path, "start", "end", "tier", "label") == [(0.5, 1.5, "words", 'say "hi"'), (2.0, 2.0, "bell", "dïng")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "malformed"),
        (b'"ooTextFile" "Pitch 1"', "malformed"),
        (SHORT.encode()[:70], "malformed"),
        (SHORT.replace("TextTier", "OddTier").encode(), "malformed"),
        (SHORT.replace("0.5 1.5", "1.5 0.5").encode(), "malformed"),
        (SHORT.replace("2.5 3\n", "2.5 999999999999\n").encode(), "malformed"),
        (SHORT.encode() + b"\xff", "bad_encoding"),
        (b"\xff\xfe\x00", "bad_encoding"),
    ],
)
def test_broken_textgrid(content, code, tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_annotations(path)
    assert caught.value.code == code


def test_textgrid_without_tiers(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text('"ooTextFile" "TextGrid" 0 1 <absent>')
    assert read_annotations(path).is_empty()


def test_overlap_goes_to_further_tiers(tmp_path):
    import polars as pl

    table = pl.DataFrame(
        {"tier": ["e"] * 4, "label": list("abcd"), "start": [0.0, 1.0, 2.0, 3.0], "end": [2.0, 3.0, 4.0, 3.0]}
    )
    for name in ("a.TextGrid", "a.eaf"):
        write_annotations(table, tmp_path / name)
        found = dict(read_annotations(tmp_path / name).select("label", "tier").rows())
        assert found == {"a": "e", "b": "e (2)", "c": "e", "d": "e (3)" if name == "a.TextGrid" else found["d"]}


@pytest.mark.parametrize("name", ["emotion", "voice/emotion@Anna", "a/b", "x@", "@", "text@a@b", "voice/", ".value"])
def test_names_of_tiers(name):
    from affectome.media.annotations.table import Annotation, tier_name

    modality, tier, speaker = split_name(name)
    assert tier
    assert split_name(tier_name(Annotation(tier=tier, modality=modality, speaker=speaker))) == (modality, tier, speaker)
    assert valued_name(value_name(name)) == name or name.startswith("@")


EAF = """<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="{units}"/><TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="t1" TIME_VALUE="{first}"/><TIME_SLOT TIME_SLOT_ID="t2"/>
<TIME_SLOT TIME_SLOT_ID="t3" TIME_VALUE="1000"/></TIME_ORDER>
<TIER TIER_ID="words" LINGUISTIC_TYPE_REF="default">
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{id}" TIME_SLOT_REF1="t1" TIME_SLOT_REF2="t2">
<ANNOTATION_VALUE>one</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="t2" TIME_SLOT_REF2="{slot}">
<ANNOTATION_VALUE>two</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="gloss"><ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a4" ANNOTATION_REF="a3">
<ANNOTATION_VALUE>deeper</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a3" ANNOTATION_REF="{owner}">
<ANNOTATION_VALUE>deep</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>"""
FINE = {"units": "milliseconds", "first": "0", "id": "a1", "slot": "t3", "owner": "a2"}


def test_eaf_with_unknown_times_and_a_chain(tmp_path):
    path = tmp_path / "a.eaf"
    path.write_text(EAF.format(**FINE))
    assert rows(path, "start", "end", "tier", "label") == [
        (0.0, 0.5, "words", "one"),
        (0.5, 1.0, "gloss", "deep"),
        (0.5, 1.0, "gloss", "deeper"),
        (0.5, 1.0, "words", "two"),
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {"units": "PAL-frames"},
        {"first": "soon"},
        {"first": "-20"},
        {"id": ""},
        {"slot": "t9"},
        {"owner": "a9"},
        {"owner": "a4"},
    ],
)
def test_broken_eaf(broken, tmp_path):
    path = tmp_path / "a.eaf"
    path.write_text(EAF.format(**FINE | broken))
    with pytest.raises(InputError) as caught:
        read_annotations(path)
    assert caught.value.code == "malformed"


VTT = """WEBVTT - a title
Kind: captions

NOTE
a comment

STYLE
::cue { color: red }

00:01.000 --> 00:02.000 align:start
<v.loud Anna Maria>I <i>mean</i> it &lt;3
<v Ben>No.

chapter
100:00:00.000 --> 100:00:01.000
plain
"""


def test_webvtt(tmp_path):
    path = tmp_path / "a.vtt"
    path.write_text("\ufeff" + VTT.replace("\n", "\r\n"), encoding="utf-8", newline="")
    assert rows(path, "id", "start", "end", "tier", "speaker", "label") == [
        ("chapter", 360000.0, 360001.0, "text", None, "plain"),
        (None, 1.0, 2.0, "text", "Anna Maria", "I mean it <3"),
        (None, 1.0, 2.0, "text", "Ben", "No."),
    ]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "malformed"),
        (b"WEBVTTX\n", "malformed"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nsubrip\n", "malformed"),
        (b"WEBVTT\n\n00:61.000 --> 00:62.000\nx\n", "malformed"),
        (b"WEBVTT\n\n00:02.000 --> 00:01.000\nx\n", "malformed"),
        (b"WEBVTT\n\none\ntwo\nthree\n", "malformed"),
        ("WEBVTT\n\nö".encode("latin-1"), "bad_encoding"),
    ],
)
def test_broken_webvtt(content, code, tmp_path):
    path = tmp_path / "a.vtt"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_annotations(path)
    assert caught.value.code == code
