"""The page as a whole: what it shows, that it keeps to itself, and that nobody's text becomes markup."""

import base64
import hashlib
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise

import polars as pl
import pytest

from affectome.errors import RunError
from affectome.report import RunInfo, write_report

SCRIPT = "<script>alert('text')</script>"
BREAKOUT = '"><img src=x onerror=alert(1)>'
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Elements with their attributes and text, and the sections by id."""

    def __init__(self, html):
        super().__init__()
        self.html = html
        self.elements, self.text, self._open = [], [], []
        self.feed(html)
        self.close()
        assert self._open == [], "elements are left open"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] not in ("script", "style"):
            self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def sections(self):
        return [attributes["id"] for attributes in self.all("section")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def full(invent, store, run_info, card, folder):
    """Everything at once, with hostile texts wherever a user's text can appear."""
    frame = invent(150, groups=("left", BREAKOUT, "c\x01\ufffe{{ 7*7 }}"), speakers=(SCRIPT, BREAKOUT, "</style>"))
    frame = frame.with_columns(
        pl.format("{} {} {}", pl.lit(SCRIPT + BREAKOUT), "text", pl.int_range(150)).alias("text"),
        pl.lit(BREAKOUT).alias("source"),
        pl.format("{}{}", pl.lit(BREAKOUT), pl.int_range(150)).alias("id"),
    )
    info = run_info | {"inputs": [f"folder/{BREAKOUT}.csv"], "command": f"affectome analyze '{SCRIPT}'"}
    info["problems"] = [{"path": SCRIPT, "code": "binary_file", "message": BREAKOUT}]
    out = write_report(store(frame, folder / "full.parquet"), info, folder / "full.html", card=card)
    return Page(out.read_text(encoding="utf-8"))


def test_every_section_is_there(full):
    measured = ["emotions", "map", "timeline", "groups", "dialogue", "uncertainty", "examples", "toxicity"]
    assert full.sections == [*measured, "outcomes", "reading", "card", "reproduce"]


def test_user_text_never_becomes_markup(full):
    assert not full.all("img")
    assert len(full.all("script")) == 1
    assert "alert" not in " ".join(re.findall(r"<script>.*?</script>", full.html, re.S))
    assert not [name for _, attributes in full.elements for name in attributes if name.startswith("on")]
    assert SCRIPT in full.words
    assert BREAKOUT in full.words
    assert "{{ 7*7 }}" in full.words
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", full.html)


def test_the_page_reaches_nothing(full):
    for _, attributes in full.elements:
        assert attributes.get("href", "#").startswith("#")
        assert not {"src", "srcset", "action", "background", "style", "xlink:href"} & set(attributes)
    assert not re.search(r"url\(|@import|https?://", full.html)


def test_policy_allows_exactly_the_own_style_and_script(full):
    (policy,) = [m["content"] for m in full.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    for kind in ("style", "script"):
        (content,) = re.findall(rf"<{kind}>(.*?)</{kind}>", full.html, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_charts_can_be_read_aloud(full):
    charts = [a for a in full.all("div") if "chart" in a.get("class", "")]
    assert len(charts) == 20
    for attributes in charts:
        assert attributes["role"] == "img"
        assert re.search(r"\d", attributes["aria-label"])
    assert len(full.all("title")) > 100


def test_structure(full):
    headings = [int(tag[1]) for tag, _ in full.elements if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in pairwise(headings))
    ids = [attributes["id"] for _, attributes in full.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {a["href"][1:] for a in full.all("a")}
    assert targets <= set(ids)
    assert all("scope" in attributes for attributes in full.all("th"))
    assert full.html.startswith("<!doctype html>")


def test_what_the_page_says(full, card):
    for words in (
        "Nothing here is a diagnosis",
        "Translate it first",
        "text-en@0.1.0",
        "created_at",
        "2025-03-04 10:20:30 UTC",
        card["intended_use"],
        card["limits"][0],
        "GoEmotions test",
        "CC-BY-SA-4.0",
        "several may be present",
        "the threshold the model was tuned for",
        "95% interval",
    ):
        assert words in full.words


@pytest.fixture(scope="module")
def plain(invent, store, run_info, folder):
    """A small table of own labels that exclude each other, and nothing known but that."""
    frame = invent(40, labels=("joy", "zorp"), exclusive=True, days=None, toxicity=False, unscored=0)
    path = store(frame, folder / "plain.csv")
    return Page(write_report(path, {"exclusive": True, "model": None}, folder / "plain.html").read_text())


def test_sections_without_data_are_left_out(plain):
    assert plain.sections == ["emotions", "map", "uncertainty", "examples", "outcomes", "reading", "reproduce"]
    assert "exclude each other" in plain.words
    assert "Affect in 40 rows" in plain.words
    links = {a["href"][1:] for a in plain.all("a")}
    assert links <= {*plain.sections, "content"}


def test_two_runs_write_the_same_bytes(plain, folder):
    again = write_report(folder / "plain.csv", {"exclusive": True}, folder / "again.html")
    assert again.read_text() == plain.html


def test_one_text_claims_no_interval_and_nothing_general(invent, store, folder):
    path = store(invent(1, unscored=0, labels=("joy", "neutral")), folder / "one.parquet")
    page = Page(write_report(path, {}, folder / "one.html").read_text())
    assert "too few texts" in page.words
    assert not [a for a in page.all("dd") if "positive" in a.get("class", "")]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_nothing_scored(invent, store, run_info, folder, suffix):
    frame = invent(12, unscored=1.0).with_columns(error=pl.lit("strange_code"))
    path = store(frame, folder / f"none.{suffix}")
    page = Page(write_report(path, run_info, folder / "none.html").read_text())
    assert page.sections == ["outcomes", "reading", "reproduce"]
    assert "None of the 12 rows could be scored" in page.words
    assert "The row could not be read." in page.words
    assert not page.all("script")


def test_no_rows_at_all(invent, store, folder):
    path = store(invent(1).clear(), folder / "zero.parquet")
    page = Page(write_report(path, {"inputs": [f"{k}.csv" for k in range(20)]}, folder / "zero.html").read_text())
    assert "Affect in 20 files" in page.words
    assert "The input holds no rows." in page.words
    assert "and 8 more" in page.words


@pytest.mark.parametrize(
    ("inputs", "subject"),
    [
        (["a/b c.csv"], "b c.csv"),
        ([r"C:\x\y.csv"], "y.csv"),
        (["folder/"], "folder"),
        (["a", "b"], "2 files"),
        ([], ""),
    ],
)
def test_subject(inputs, subject):
    assert RunInfo(inputs=inputs).subject == subject


def test_a_folder_that_is_not_there(invent, store, folder):
    path = store(invent(2, unscored=1.0), folder / "two.parquet")
    with pytest.raises(RunError):
        write_report(path, {}, folder / "missing" / "report.html")


def test_heavy_packages_wait_until_they_are_needed():
    code = "import sys, affectome.report; print(*{'altair', 'vl_convert', 'jinja2'} & set(sys.modules))"
    paths = f"import sys; sys.path[:0] = {sys.path!r}; "
    done = subprocess.run([sys.executable, "-c", paths + code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
