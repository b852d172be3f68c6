"""The page about a model's inside."""

import json

import pytest

from affectome.errors import InputError, UsageError
from affectome.report.inside_models import write_inside_model

PROBE = {
    "model": "toy",
    "data": {"name": "comments.csv"},
    "classes": ["glad", "sad"],
    "texts": {"train": 60, "dev": 20, "test": 20},
    "majority": {"macro_f1": 0.333},
    "best_layer": 1,
    "layers": [
        {"layer": k, "test": {"mean": value, "low": value - 0.05, "high": value + 0.05}, "control": {"mean": 0.5}}
        for k, value in enumerate((0.512, 0.876, 0.723))
    ],
}


def _figures(rate, perplexity):
    samples = [{"situation": "It <rained>.", "reply": f"<b>reply</b> {rate}", "read": "joy"}, _UNREAD]
    return {"rate": rate, "perplexity": perplexity, "distinct_2": 0.9, "tokens": 9.0, "relevance": 1.0} | {
        "samples": samples
    }


_UNREAD = {"situation": "Nothing.", "reply": "", "read": ""}
STEERING = {
    "model": "toy",
    "emotion": "joy",
    "dose": 0.4,
    "method": "circuit",
    "situations": 12,
    "judge": "text-en 0.1.0",
    "ways": [{"way": "unsteered", **_figures(0.25, 4.0)}, {"way": "circuit", **_figures(0.75, 5.0)}],
    "doses": [{"dose": dose, **_figures(rate, 4 + dose)} for dose, rate in ((0.0, 0.25), (0.2, 0.5), (0.4, 0.75))],
}

MOOD = {
    "model": "toy",
    "reader": "text-en 0.1.0",
    "trajectory": {"nadir_turn": 1, "abruptness": 0.5, "recovery": None},
    "turns": [
        {
            "heard": heard,
            "signal": [v, 0, 0],
            "state": {"position": [v / 2, 0.1, 0.0]},
            "reply": "<i>x</i>",
            "read": [v, 0, 0],
        }
        for heard, v in (("No <b>!", -0.8), ("Yes.", 0.2))
    ],
}


@pytest.fixture
def results(tmp_path):
    for name, content in (("layers", PROBE), ("steering", STEERING)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return {"probe": tmp_path / "layers.json", "steering": tmp_path / "steering.json"}


def test_both_curves_are_on_one_page(results, tmp_path):
    write_inside_model(tmp_path / "pages" / "inside.html", **results)
    page = (tmp_path / "pages" / "inside.html").read_text()
    assert page.count("<svg") >= 4
    assert "0.876" in page
    assert "75.0%" in page
    assert "1.25 times" in page
    assert "not read" in page
    assert "&lt;b&gt;reply" in page
    assert "<b>" not in page
    for outside in ("http://", "https://", "<script", "src="):
        assert outside not in page.replace("http://www.w3.org", "").replace("https://www.w3.org", "")


@pytest.mark.parametrize("only", ["probe", "steering"])
def test_one_of_them_will_do(results, tmp_path, only):
    write_inside_model(tmp_path / "inside.html", **{only: results[only]})
    page = (tmp_path / "inside.html").read_text()
    assert ('id="layers"' in page) == (only == "probe")
    assert ('id="doses"' in page) == (only == "steering")


def test_the_same_results_give_the_same_page(results, tmp_path):
    write_inside_model(tmp_path / "one.html", **results)
    write_inside_model(tmp_path / "two.html", **results)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_a_mood_stands_beside_its_dialogue(tmp_path):
    (tmp_path / "mood.json").write_text(json.dumps(MOOD))
    write_inside_model(tmp_path / "inside.html", mood=tmp_path / "mood.json")
    page = (tmp_path / "inside.html").read_text()
    assert "−0.40" in page
    assert "does not come back" in page
    assert "&lt;i&gt;x" in page
    assert "No &lt;b&gt;!" in page
    assert page.count("<svg") >= 2


@pytest.mark.parametrize("content", ["", "[]", "3", '{"model": "toy"}'])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "layers.json"
    path.write_text(content)
    for name in ("probe", "steering", "mood"):
        with pytest.raises(InputError) as caught:
            write_inside_model(tmp_path / "inside.html", **{name: path})
        assert caught.value.code == "bad_result"
    assert not (tmp_path / "inside.html").exists()


def test_two_models_are_refused(results, tmp_path):
    results["probe"].write_text(json.dumps(PROBE | {"model": "other"}))
    with pytest.raises(UsageError) as caught:
        write_inside_model(tmp_path / "inside.html", **results)
    assert caught.value.code == "other_model"


def test_nothing_to_show_is_refused(tmp_path):
    with pytest.raises(UsageError):
        write_inside_model(tmp_path / "inside.html")
