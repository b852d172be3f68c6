"""XML that is made to do harm."""

import pytest

from affectome.errors import InputError
from affectome.media.annotations import read_annotations

BILLION_LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "lol">{}]>
<ANNOTATION_DOCUMENT>&z;</ANNOTATION_DOCUMENT>
""".format("".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(20)))
OTHER_FILE = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><emotionml>&e;</emotionml>'
OTHER_DTD = '<!DOCTYPE x SYSTEM "http://example.org/x.dtd"><emotionml/>'


@pytest.mark.parametrize("format", ["eaf", "emotionml"])
@pytest.mark.parametrize("content", [BILLION_LAUGHS, OTHER_FILE, OTHER_DTD, "<a>" * 1000 + "</a>" * 1000])
def test_unsafe(format, content, tmp_path):
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_annotations(path, format)
    assert caught.value.code == "unsafe_xml"
    assert "root:" not in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no xml",
        b"<a>",
        b"<a>\xff\xfe</a>",
        b'<?xml version="1.0" encoding="ebcdic-9000"?><a/>',
        b"<a>&undefined;</a>",
        b"<a>\x00</a>",
        "<a>ö</a>".encode("utf-16-le"),
    ],
)
@pytest.mark.parametrize("format", ["eaf", "emotionml"])
def test_malformed(format, raw, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(raw)
    with pytest.raises(InputError) as caught:
        read_annotations(path, format)
    assert caught.value.code == "malformed"


DOCUMENT = """<?xml version="1.0" encoding="{}"?><ANNOTATION_DOCUMENT>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="900"/></TIME_ORDER>
<TIER TIER_ID="t"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="a" TIME_SLOT_REF2="b">
<ANNOTATION_VALUE>ö</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>"""


@pytest.mark.parametrize("name", ["utf-8", "utf-16", "iso-8859-1"])
def test_other_encodings_that_say_so(name, tmp_path):
    path = tmp_path / "file.eaf"
    path.write_bytes(DOCUMENT.format(name).encode(name))
    assert read_annotations(path)["label"].to_list() == ["ö"]
