"""The studio in a real browser, with a real server behind it."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.resources import files
from pathlib import Path

import pytest

from affectome.report.palette import _families, _hues

STUDIO = Path(str(files("affectome"))) / "server" / "studio"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# A browser and a server take seconds to start.
pytestmark = pytest.mark.slow
VIEWS = ("text", "files", "microphone", "models")
DIALOGUE = "Ann: Thank you so much!\nBen: I hate this, it makes me furious.\nAnn: Oh. I am so sorry 😢 I feel awful."
NEWS = """id,text,speaker
1,Thank you so much for the lovely evening!,Ann
2,I am furious about this.,Ben
3,We are so proud of you,Ann
4,,Ben
"""


def test_it_is_small_and_needs_nothing_else():
    written = [path for path in STUDIO.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in written) <= 1_000_000
    for path in written:
        addresses = re.findall(r"https?://[^\s\"'`]+", path.read_text(encoding="utf-8"))
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, path
    page = (STUDIO / "index.html").read_text(encoding="utf-8")
    for name in re.findall(r'(?:src|href)="\./([\w.]+)"', page):
        assert (STUDIO / name).is_file() or name == "openapi.json"


def test_feelings_have_the_colours_of_the_reports():
    known = json.loads((STUDIO / "hues.json").read_text(encoding="utf-8"))
    assert known == {"hues": _hues(), "neutral": _families()["neutral"]["labels"]}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server of its own process; it ends with the tests."""
    pytest.importorskip("uvicorn", reason='needs the serve extra: pip install "affectome[serve]"')
    port, folder = free_port(), tmp_path_factory.mktemp("server")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    environment = kept | {"PYTHONPATH": str(STUDIO.parents[2]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "affectome", "serve", "--port", str(port), "--folder", str(folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(300):
            if process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready") as answer:
                    if answer.status == 200:
                        break
            except OSError:
                time.sleep(0.1)
        assert process.poll() is None, (folder / "log").read_text()
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """A clip of speech as a WAV file, None without the data folder and the voice extra."""
    folder = os.environ.get("AFFECTOME_DATA")
    clips = sorted(Path(folder, "ravdess_speech/audio").glob("*.ogg")) if folder else []
    try:
        import soundfile
    except ImportError:
        return None
    if not clips:
        return None
    path = tmp_path_factory.mktemp("speech") / "clip.wav"
    soundfile.write(path, *soundfile.read(clips[0]), subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def browser(speech):
    """Chromium without a window; what it takes for a microphone says a sentence again and again."""
    if BROWSER is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the development package playwright")
    with playwright.sync_playwright() as started:
        options = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        if speech:
            options.append(f"--use-file-for-fake-audio-capture={speech}")
        chromium = started.chromium.launch(executable_path=BROWSER, args=options)
        yield chromium
        chromium.close()


WIDE, PHONE = (1280, "light"), (390, "dark")
everywhere = pytest.mark.parametrize("page", [WIDE, PHONE], ids=["wide", "phone"], indirect=True)


@pytest.fixture
def page(request, browser, address):
    """The studio on a wide light screen, or on a dark telephone; errors of the page fail the test."""
    width, scheme = getattr(request, "param", WIDE)
    context = browser.new_context(
        viewport={"width": width, "height": 850},
        color_scheme=scheme,
        permissions=["microphone"],
        bypass_csp=True,  # what waits for a condition evaluates words, which the policy of the page forbids
    )
    opened = context.new_page()
    errors = []

    def outside(sent):
        if not sent.url.startswith(("data:", "blob:", address)):
            errors.append(sent.url)

    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("request", outside)
    opened.goto(address)
    until(opened, "document.getElementById('taxonomy').options.length > 1")
    yield opened
    context.close()
    assert errors == []


def test_the_page_keeps_to_its_policy(browser, address):
    """Nothing that it does is forbidden by the policy it comes with."""
    context = browser.new_context()
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#taxonomy option:nth-child(3)", state="attached")
    page.fill("#text-input", "I am so happy that you came!")
    page.press("#text-input", "Control+Enter")
    page.wait_for_selector("#results .sentence")
    context.close()
    assert said == []


def until(page, holds):
    """Wait for an expression; Playwright's own way to wait is refused by the page's policy against eval."""
    for _ in range(150):
        if page.evaluate(holds):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"it never came to {holds}")


def read(page, text):
    page.fill("#text-input", text)
    page.press("#text-input", "Control+Enter")
    page.wait_for_selector("#results .sentence")


def check_accessible(page):
    axe = pytest.importorskip("axe_playwright_python", reason="needs the development package axe-playwright-python")
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    told = [(each["impact"], each["id"], [node["target"] for node in each["nodes"]]) for each in found]
    assert [each for each in told if each[0] in ("serious", "critical")] == []
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


@everywhere
def test_a_dialogue_sentence_by_sentence(page):
    read(page, DIALOGUE)
    assert page.locator(".sentence").all_inner_texts()[:2] == [
        "Thank you so much!",
        "I hate this, it makes me furious.",
    ]
    assert page.locator(".passage .who").all_inner_texts() == ["Ann", "Ben", "Ann"]
    page.click(".sentence >> nth=1")
    assert page.locator(".detail q").inner_text().strip("“”") == "I hate this, it makes me furious."
    assert page.locator(".detail .bars").first.inner_text().startswith("anger")
    assert page.locator(".sentence[aria-pressed=true]").count() == 1
    versus = page.locator(".versus").last.inner_text()
    assert "anger" in versus
    assert "gratitude" in versus
    check_accessible(page)


def test_characters_of_two_units_are_one(page):
    read(page, "😀😀 I am so happy! This is awful 😢 though.")
    assert page.locator(".passage").inner_text().startswith("😀😀 I am so happy! This is awful")


def test_with_the_keyboard_alone(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    read(page, DIALOGUE)
    page.focus("svg[data-chart=map]")
    first = page.get_attribute("svg[data-chart=map]", "aria-valuetext")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("svg[data-chart=map]", "aria-valuenow") == "2"
    assert page.get_attribute("svg[data-chart=map]", "aria-valuetext") != first
    assert page.evaluate("document.activeElement.dataset.chart") == "map"
    page.keyboard.press("End")
    assert page.get_attribute("svg[data-chart=map]", "aria-valuenow") == str(page.locator("button.sentence").count())


def test_why(page):
    read(page, "Thank you so much!")
    page.click("text=Why gratitude?")
    page.wait_for_selector(".why")
    assert page.locator(".why span").first.inner_text().startswith("Thank")
    check_accessible(page)


def test_words_of_ones_own(page):
    read(page, "I miss my home and my mother.")
    page.click("#words summary")
    page.fill("#labels", "homesick, furious")
    page.press("#labels", "Enter")
    page.locator("#labels").blur()
    until(page, "document.querySelector('.detail')?.innerText.includes('homesick')")
    assert page.locator("#words-chosen").inner_text() == "homesick, furious"
    assert page.locator("#taxonomy").is_disabled()
    page.fill("#labels", "twice, twice")
    page.locator("#labels").blur()
    page.wait_for_selector("#error:not([hidden])")
    assert page.locator("#error code").inner_text() == "bad_label"


def test_the_table_to_keep(page, tmp_path):
    read(page, '=SUM(A1) is what I "hate".\nThank you!')
    with page.expect_download() as saved:
        page.click("text=Download CSV")
    saved.value.save_as(tmp_path / "estimates.csv")
    with (tmp_path / "estimates.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert rows[0]["text"] == '\'=SUM(A1) is what I "hate".'
    assert float(rows[1]["emotion.gratitude"]) > 0.5


@everywhere
def test_files(page, tmp_path):
    (tmp_path / "news.csv").write_text(NEWS)
    page.click("nav >> text=Files")
    page.set_input_files("#files-input", tmp_path / "news.csv")
    assert page.locator("#files-chosen").inner_text() == "news.csv, 1 kB"
    page.click("#files-form .primary")
    page.wait_for_selector("#results table", timeout=60_000)
    assert page.locator("#results .facts").inner_text().split()[1] == "3"
    assert "abstained: empty" in page.locator("#results .facts").inner_text()
    assert page.locator("#compare-first").input_value() == "Ann"
    page.click("#results tbody tr >> nth=1")
    assert "furious" in page.locator(".detail q").inner_text()
    with page.expect_download() as saved:
        page.click("text=Download Parquet")
    assert saved.value.suggested_filename == "estimates.parquet"
    check_accessible(page)
    page.click("text=Erase from the server")
    page.wait_for_selector("#results", state="hidden")


def test_a_file_that_cannot_be_read(page, tmp_path):
    (tmp_path / "broken.csv").write_bytes(b"\x00\x01\x02" * 100)
    page.click("nav >> text=Files")
    page.set_input_files("#files-input", tmp_path / "broken.csv")
    page.click("#files-form .primary")
    page.wait_for_selector("#error:not([hidden])", timeout=60_000)
    assert page.locator("#error code").inner_text()


@pytest.mark.data
def test_a_recording_with_a_player(page, speech):
    if speech is None:
        pytest.skip("needs the folder of AFFECTOME_DATA and the voice extra")
    page.click("nav >> text=Files")
    page.set_input_files("#files-input", speech)
    page.click("#files-form .primary")
    page.wait_for_selector("#error:not([hidden])")
    assert page.locator("#error code").inner_text() == "purpose_needed"
    page.select_option("#files-purpose", "research")
    page.click("#files-form .primary")
    page.wait_for_selector("svg[data-chart=timeline]", timeout=60_000)
    assert page.locator("audio").count() == 1
    page.focus("svg[data-chart=timeline]")
    page.keyboard.press("End")
    assert page.evaluate("document.querySelector('audio').currentTime") > 0
    check_accessible(page)


@pytest.mark.data
def test_the_microphone(page, speech):
    if speech is None:
        pytest.skip("needs the folder of AFFECTOME_DATA and the voice extra")
    page.click("nav >> text=Microphone")
    page.click("#microphone-start")
    page.wait_for_selector("#error:not([hidden])")
    assert page.locator("#error code").inner_text() == "purpose_needed"
    page.select_option("#microphone-purpose", "personal")
    page.click("#microphone-start")
    page.wait_for_selector("#results tbody tr", timeout=30_000)
    assert page.locator("#microphone-start").is_disabled()
    check_accessible(page)
    page.click("#microphone-stop")
    until(page, "!document.getElementById('microphone-start').disabled")
    assert page.locator("#results tbody tr").count() >= 1


@everywhere
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_accessible(page, view):
    page.click(f"nav a[href='#{view}']")
    page.wait_for_selector(f"#view-{view}:not([hidden])")
    if view == "models":
        page.wait_for_selector(".card")
        assert "text-en" in page.locator("#models").inner_text()
    check_accessible(page)
