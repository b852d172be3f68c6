"""What other programs find in the files: Praat's and ELAN's formats, and WebVTT, read by libraries that others keep."""

import pytest

from affectome.media.annotations import read_annotations, write_annotations


def test_textgrid_with_praatio(annotations, tmp_path):
    textgrid = pytest.importorskip("praatio.textgrid", reason="the development package praatio is not installed")
    path = tmp_path / "a.TextGrid"
    write_annotations(annotations, path)
    read = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    assert set(read.tierNames) == {
        "voice/emotion@Anna",
        "voice/emotion.value@Anna",
        "voice/valence.value@Anna",
        "text@Anna",
        "voice/emotion@Ben @ home",
        "voice/emotion.value@Ben @ home",
        "face/emotion@Ben @ home",
        "face/emotion.value@Ben @ home",
        "my mood, 2.0",
    }
    (joy,) = read.getTier("voice/emotion@Anna").entries
    assert (joy.start, joy.end, joy.label) == (0.5, 2.25, "joy")
    (value,) = read.getTier("voice/emotion.value@Anna").entries
    assert float(value.label) == 0.83
    (said,) = read.getTier("text@Anna").entries
    assert said.label == 'He said "hi" & <b>never --> again</b>'
    assert read.maxTimestamp == 3662.5


@pytest.mark.parametrize("form", ["short_textgrid", "long_textgrid"])
def test_textgrid_that_praatio_wrote(form, annotations, comparable, tmp_path):
    textgrid = pytest.importorskip("praatio.textgrid", reason="the development package praatio is not installed")
    ours, theirs = tmp_path / "a.TextGrid", tmp_path / "b.TextGrid"
    write_annotations(annotations, ours)
    textgrid.openTextgrid(str(ours), includeEmptyIntervals=False).save(str(theirs), form, includeBlankSpaces=True)
    assert comparable(read_annotations(theirs)) == comparable(read_annotations(ours))


def test_eaf_with_pympi(annotations, tmp_path):
    elan = pytest.importorskip("pympi.Elan", reason="the development package pympi-ling is not installed")
    path = tmp_path / "a.eaf"
    write_annotations(annotations, path)
    read = elan.Eaf(str(path))
    assert read.get_annotation_data_for_tier("voice/emotion@Anna") == [(500, 2250, "joy")]
    ((start, end, value, label),) = read.get_ref_annotation_data_for_tier("voice/emotion.value@Anna")
    assert (start, end, float(value), label) == (500, 2250, 0.83, "joy")
    assert read.get_annotation_data_for_tier("voice/valence@Anna") == [(500, 2250, "-0.3")]
    assert read.get_parameters_for_tier("face/emotion@Ben @ home")["PARTICIPANT"] == "Ben @ home"
    assert read.get_linked_files()[0]["RELATIVE_MEDIA_URL"] == "./talk%20one.wav"
    assert read.get_full_time_interval() == (500, 3662500)


def test_eaf_that_pympi_wrote(tmp_path):
    elan = pytest.importorskip("pympi.Elan", reason="the development package pympi-ling is not installed")
    path = tmp_path / "a.eaf"
    made = elan.Eaf()
    made.remove_tier("default")
    made.add_tier("words", part="Anna")
    made.add_annotation("words", 100, 900, "hello there")
    made.add_linguistic_type("gloss", "Symbolic_Association", timealignable=False)
    made.add_tier("feeling", "gloss", "words")
    made.add_ref_annotation("feeling", "words", 500, "joy")
    made.to_file(str(path))
    read = read_annotations(path).select("start", "end", "tier", "speaker", "label").rows()
    assert sorted(read) == [(0.1, 0.9, "feeling", None, "joy"), (0.1, 0.9, "words", "Anna", "hello there")]


def test_webvtt_with_webvtt_py(annotations, tmp_path):
    webvtt = pytest.importorskip("webvtt", reason="the development package webvtt-py is not installed")
    path = tmp_path / "a.vtt"
    write_annotations(annotations, path)
    first, second, third = webvtt.read(str(path))
    assert (first.start, first.end, first.identifier, first.voice) == ("00:00:00.500", "00:00:02.250", "u1", "Anna")
    assert first.text.splitlines()[1:] == ["joy 0.83", " -0.3"]
    assert (second.voice, second.text) == ("Ben @ home", "fear 0.25\nsurprise 1.0")
    assert (third.start, third.text) == ("01:01:01.000", "so-so ö 😀")


def test_webvtt_that_webvtt_py_wrote(tmp_path):
    webvtt = pytest.importorskip("webvtt", reason="the development package webvtt-py is not installed")
    path = tmp_path / "a.vtt"
    made = webvtt.WebVTT()
    made.captions.append(webvtt.Caption("00:00:01.000", "00:00:02.500", ["<v Anna>well &amp; good", "on two lines"]))
    made.save(str(path))
    (row,) = read_annotations(path).rows(named=True)
    assert (row["start"], row["end"], row["speaker"]) == (1.0, 2.5, "Anna")
    assert (row["tier"], row["label"]) == ("text", "well & good\non two lines")
