import builtins

import numpy as np
import pytest

from affectome.errors import LeakError, MissingExtraError, UsageError
from affectome.evaluate import Part, assert_disjoint, audit_shortcuts

MORNING = "What a lovely morning it is, I could sing"


def test_disjoint_parts_pass():
    assert_disjoint(
        train=Part(rows=[0, 1], groups=["anna", "bert"], texts=[MORNING, "Leave me alone"]),
        dev=Part(rows=[2], groups=["carl"], texts=["Nothing works today"]),
        test=Part(rows=[3], groups=["dora"], texts=["I am afraid of the dark"]),
    )
    absent = Part(groups=["anna", None, float("nan"), ""])
    assert_disjoint(train=absent, test=Part(groups=["bert", None, float("nan"), ""]))


@pytest.mark.parametrize(
    ("train", "test", "code", "said"),
    [
        (Part(rows=np.arange(9)), Part(rows=np.array([8, 9])), "shared_rows", "train and test share rows: 8."),
        (Part(groups=["anna", "bert"]), Part(groups=["bert"]), "shared_groups", "share groups: bert."),
        (
            Part(texts=["Hm", MORNING]),
            Part(texts=[MORNING + "!"]),
            "shared_texts",
            f"share texts: 1 and 0 ('{MORNING}').",
        ),
        (Part(rows=range(9)), Part(rows=range(9)), "shared_rows", "share rows: 0, 1, 2, 3, 4 and 4 more."),
    ],
)
def test_what_parts_share_is_named(train, test, code, said):
    with pytest.raises(LeakError) as error:
        assert_disjoint(train=train, test=test)
    assert error.value.code == code
    assert said in str(error.value)


@pytest.mark.parametrize(("dev", "pair"), [(["t"], "train and dev"), (["x"], "test and dev")])
def test_development_rows_are_compared_with_both(dev, pair):
    with pytest.raises(LeakError, match=pair):
        assert_disjoint(train=Part(rows=["t"]), test=Part(rows=["x"]), dev=Part(rows=dev))


def test_parts_that_cannot_be_compared_are_refused():
    with pytest.raises(UsageError) as error:
        assert_disjoint(train=Part(rows=[1]), test=Part(groups=["a"]))
    assert error.value.code == "nothing_to_compare"
    with pytest.raises(TypeError):
        assert_disjoint(Part(rows=[1]), Part(rows=[2]))


def _posts(n=300):
    """Sources that give the label away, authors that do not, and long texts where people are angry."""
    rng = np.random.default_rng(0)
    truth = rng.choice(["anger", "joy"], n)
    source = np.where(truth == "anger", "forum", "diary")
    texts = ["no " * (9 if angry and rng.random() < 0.8 else 2) for angry in truth == "anger"]
    return truth, texts, {"source": source.tolist(), "author": rng.integers(0, 5, n).tolist()}


def test_shortcuts_of_classes():
    truth, texts, metadata = _posts()
    shortcuts = audit_shortcuts(
        truth=truth, train=np.arange(200), test=np.arange(200, 300), texts=texts, metadata=metadata, seed=0
    )
    by_name = {shortcut.predictor: shortcut.interval for shortcut in shortcuts}
    assert list(by_name) == ["majority", "length", "source", "author", "all metadata"]
    assert {shortcut.metric for shortcut in shortcuts} == {"uar"}
    assert by_name["majority"].value == 0.5
    assert by_name["source"].value == by_name["all metadata"].value == 1
    assert by_name["length"].low > 0.75
    assert by_name["author"].low < 0.5 < by_name["author"].high


def test_shortcuts_of_numbers():
    rng = np.random.default_rng(1)
    prompt = rng.integers(0, 3, 400)
    age = rng.uniform(20, 60, 400)
    truth = prompt + 0.1 * rng.normal(size=400)
    truth[:5] = np.nan
    age[10] = np.nan
    mean, by_prompt, by_age, _ = audit_shortcuts(
        truth=truth,
        train=np.arange(300),
        test=np.arange(300, 400),
        metadata={"prompt": prompt.tolist(), "age": age.tolist()},
        groups=np.arange(400) // 2,
        seed=0,
    )
    assert (mean.predictor, mean.metric) == ("mean", "pearson")
    assert np.isnan(mean.interval.value)  # a constant correlates with nothing
    assert by_prompt.interval.value > 0.98
    assert by_age.interval.low < 0.1
    curve = audit_shortcuts(
        truth=(age - 40) ** 2, train=np.arange(300), test=np.arange(300, 400), metadata={"age": age.tolist()}, seed=0
    )
    assert curve[1].interval.value > 0.95  # tenths also find what is not a straight line


def test_values_that_training_has_not_seen_tell_nothing():
    n = 60
    truth = np.arange(n) % 2
    shortcuts = audit_shortcuts(
        truth=truth, train=np.arange(40), test=np.arange(40, n), metadata={"id": [f"row {i}" for i in range(n)]}, seed=0
    )
    assert shortcuts[1].interval.value == 0.5


def test_one_class_in_training():
    shortcuts = audit_shortcuts(
        truth=["a", "a", "a", "b"], train=[0, 1], test=[2, 3], texts=["x", "y", "z", "w"], seed=0
    )
    assert [shortcut.interval.value for shortcut in shortcuts] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("changed", "error", "code"),
    [
        ({"test": [1, 2]}, LeakError, "shared_rows"),
        ({"test": [9]}, UsageError, "not_rows"),
        ({"test": [0.5]}, UsageError, "not_rows"),
        ({"test": [3]}, UsageError, "no_rows"),
        ({"texts": ["a"]}, UsageError, "shape_mismatch"),
        ({"metadata": {"source": ["a"]}}, UsageError, "shape_mismatch"),
        ({"groups": ["a"]}, UsageError, "shape_mismatch"),
        ({"truth": [0.1, np.inf, 0.2, 0.3]}, UsageError, "not_finite"),
        ({"truth": [None, None, None, None]}, UsageError, "no_rows"),
    ],
)
def test_what_cannot_be_audited_is_refused(changed, error, code):
    given = {"truth": ["a", "b", "a", None], "train": [0, 1], "test": [2], "texts": list("abcd"), "seed": 0}
    with pytest.raises(error) as raised:
        audit_shortcuts(**(given | changed))
    assert raised.value.code == code


def test_the_install_line_is_given_without_scikit_learn(monkeypatch):
    found = builtins.__import__

    def without(name, *rest):
        if name.startswith("sklearn"):
            raise ModuleNotFoundError(name=name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match="scikit-learn"):
        audit_shortcuts(truth=["a", "b", "a"], train=[0, 1], test=[2], texts=list("abc"), seed=0)
