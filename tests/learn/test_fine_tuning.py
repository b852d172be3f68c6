import json
import os
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs the train extra: pip install "affectome[train]"')

import torch
from safetensors import safe_open
from transformers import AutoModel

from affectome.errors import InputError, ModelError, RunError, UsageError
from affectome.learn.fine_tuning import FineTuned, HeadPlan, fine_tune

pytestmark = pytest.mark.train

SOURCE = Path(__file__).parents[2] / "src"
THINGS = ("garden", "letter", "river", "dinner", "morning", "train", "song", "window")
FEELINGS = ("anger", "fear", "joy", "grief")
ROWS = [(thing, feeling) for thing, feeling in product(THINGS[:6], FEELINGS)]
TEXTS = [f"the {thing} is {feeling}" for thing, feeling in ROWS]
HELD_OUT = [f"the {thing} is {feeling}" for thing, feeling in product(THINGS[6:], FEELINGS)]
WHICH = HeadPlan("feeling", "choice", FEELINGS)
ONE_HOT = np.eye(4)[[FEELINGS.index(feeling) for _, feeling in ROWS]]
RIGHT = np.tile(np.arange(4), 2)
SETTINGS = {"epochs": 30, "learning_rate": 4e-3, "batch": 6, "max_tokens": 16, "threads": 1}


def tuned(base, **changes):
    """A choice among four feelings that the texts name."""
    settings = SETTINGS | changes
    return fine_tune(
        settings.pop("texts", TEXTS),
        settings.pop("targets", {"feeling": ONE_HOT}),
        settings.pop("heads", [WHICH]),
        base=base,
        **settings,
    )


@pytest.fixture(scope="module")
def learnt(base):
    log = []
    return tuned(base, report=log.append), log


def weights(folder):
    """Every array of a saved network."""
    arrays = {}
    for name in ("model.safetensors", "heads.safetensors"):
        with safe_open(folder / name, "pt") as stored:
            arrays |= {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118 - it is no mapping
    return arrays


def same(a, b, tmp_path):
    """Whether two networks have the same bytes."""
    folders = [tmp_path / name for name in ("same-a", "same-b")]
    for network, folder in zip((a, b), folders, strict=True):
        network.save(folder)
    return all((folders[0] / path.name).read_bytes() == path.read_bytes() for path in folders[1].iterdir())


def test_the_loss_falls_and_new_texts_are_read(learnt):
    network, log = learnt
    assert [(now.step, now.steps) for now in log] == [(50, 120), (100, 120)]
    assert log[1].losses["feeling"] < 0.3 * log[0].losses["feeling"]
    answer = network.predict(HELD_OUT)["feeling"]
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(answer.argmax(axis=1), RIGHT)


def test_a_text_is_read_the_same_in_any_company(learnt):
    network, _ = learnt
    mixed = ["joy", *HELD_OUT, "the garden " * 6]
    together = network.vectors(mixed)
    alone = np.vstack([network.vectors([text]) for text in mixed])
    assert together.shape == (len(mixed), 32)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert network.vectors([]).shape == (0, 32)
    assert network.predict([])["feeling"].shape == (0, 4)


def test_tasks_learn_together_where_their_targets_are_known(base):
    n = len(TEXTS)
    unknown = np.arange(n) % 3  # each task lacks another third of the rows
    measure = np.array([[10.0 + 20 * FEELINGS.index(feeling), 5.0] for _, feeling in ROWS])
    measure[unknown == 0] = np.nan
    presence = np.column_stack([ONE_HOT[:, 2], [thing in THINGS[:3] for thing, _ in ROWS]]).astype(float)
    presence[unknown == 1, 0] = np.nan
    level = ONE_HOT.argmax(axis=1).astype(float)
    level[unknown == 2] = np.nan
    network = fine_tune(
        TEXTS,
        {"how much": measure, "there": presence, "level": level},
        [
            HeadPlan("how much", "measure", ("much", "constant")),
            HeadPlan("there", "presence", ("joy", "early"), weight=0.5),
            HeadPlan("level", "ordinal", FEELINGS),
        ],
        base=base,
        losses={"how much": "concordance"},
        **SETTINGS | {"epochs": 60},
    )
    answers = network.predict(TEXTS)
    assert [plan.name for plan in network.heads] == ["how much", "there", "level"]
    much = 10.0 + 20 * ONE_HOT.argmax(axis=1)
    assert np.corrcoef(answers["how much"][:, 0], much)[0, 1] > 0.97
    assert abs(answers["how much"][:, 0] - much).mean() < 6
    np.testing.assert_allclose(answers["how much"][:, 1], 5, atol=2)
    np.testing.assert_array_equal(answers["there"][:, 0] > 0.5, ONE_HOT[:, 2] == 1)
    np.testing.assert_array_equal(answers["level"].argmax(axis=1), ONE_HOT.argmax(axis=1))
    np.testing.assert_allclose(answers["level"].sum(axis=1), 1, rtol=1e-4)


def test_a_pair_is_more_than_its_texts(base):
    pairs = [(a, b) for a, b in product(FEELINGS, THINGS) for _ in range(2)]
    first = [a if k % 2 else b for k, (a, b) in enumerate(pairs)]
    second = [b if k % 2 else a for k, (a, b) in enumerate(pairs)]
    order = np.eye(2)[np.arange(len(pairs)) % 2]
    network = fine_tune(
        first,
        {"order": order},
        [HeadPlan("order", "choice", ("feeling second", "feeling first"))],
        base=base,
        second=second,
        **SETTINGS | {"epochs": 15},
    )
    answer = network.predict(["grief", "song"], ["song", "grief"])["order"]
    assert answer.argmax(axis=1).tolist() == [1, 0]
    with pytest.raises(UsageError, match="as many second texts"):
        network.predict(["grief"], [])


def test_the_two_texts_of_a_pair_differ_in_their_segments(learnt, tmp_path):
    network, _ = learnt
    network.save(tmp_path / "saved")
    encoder = AutoModel.from_pretrained(tmp_path / "saved").eval()
    tokens = network._tokenizer.encode("joy", "the garden is fear")
    segments = torch.tensor([tokens.type_ids])
    assert segments.tolist() == [[0, 0, 0, 1, 1, 1, 1, 1]]
    with torch.no_grad():
        hidden = encoder(input_ids=torch.tensor([tokens.ids]), token_type_ids=segments).last_hidden_state
    np.testing.assert_allclose(network.vectors(["joy"], ["the garden is fear"]), hidden.mean(1).numpy(), atol=1e-5)


def test_rows_without_weight_or_target_take_no_part(base, tmp_path):
    wrong = np.roll(ONE_HOT, 1, axis=1)
    unknown = np.full((1, 4), np.nan)
    confidence = [1.5] * 24 + [0.0] * 24 + [1.0]
    noisy = tuned(
        base,
        texts=[*TEXTS, *TEXTS, "a letter"],
        targets={"feeling": np.vstack([ONE_HOT, wrong, unknown])},
        weights=confidence,
        epochs=2,
    )
    assert same(noisy, tuned(base, weights=[1.5] * 24, epochs=2), tmp_path)


KILLED = """
import json, os, signal, sys
from pathlib import Path
import numpy as np
from affectome.learn.fine_tuning import HeadPlan, fine_tune
base, out, plan = json.loads(sys.argv[1])
texts, targets, columns, settings = plan
fine_tune(
    texts, {"feeling": np.array(targets)}, [HeadPlan("feeling", "choice", tuple(columns))], base=Path(base),
    checkpoints=Path(out), checkpoint_every=35, report=lambda now: os.kill(os.getpid(), signal.SIGKILL), **settings
)
"""


def test_a_killed_run_ends_in_the_same_weights(learnt, base, tmp_path):
    plan = [TEXTS, ONE_HOT.tolist(), FEELINGS, SETTINGS]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, json.dumps([str(base), str(tmp_path / "checkpoints"), plan])],
        env=os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    with safe_open(tmp_path / "checkpoints/checkpoint.safetensors", "pt") as stored:
        assert stored.metadata()["step"] == "35"
    log = []
    resumed = tuned(base, checkpoints=tmp_path / "checkpoints", report=log.append)
    assert [now.step for now in log] == [50, 100]
    assert same(resumed, learnt[0], tmp_path)

    finished = tuned(base, checkpoints=tmp_path / "checkpoints", report=lambda now: pytest.fail("a step was taken"))
    assert same(finished, learnt[0], tmp_path)
    for change in (
        {"seed": 1},
        {"texts": [*TEXTS[:-1], "joy"]},
        {"weights": np.full(24, 2.0)},
        {"losses": {"feeling": "kl"}},
    ):
        with pytest.raises(RunError) as caught:
            tuned(base, checkpoints=tmp_path / "checkpoints", **change)
        assert caught.value.code == "other_recipe"


def test_what_was_saved_reads_the_same(learnt, tmp_path):
    network, _ = learnt
    network.save(tmp_path / "new" / "saved")
    again = FineTuned.load(tmp_path / "new" / "saved")
    assert (again.heads, again.max_tokens) == ((WHICH,), 16)
    np.testing.assert_array_equal(again.predict(HELD_OUT)["feeling"], network.predict(HELD_OUT)["feeling"])
    assert same(again, network, tmp_path)


def test_a_saved_network_is_a_base(learnt, tmp_path):
    learnt[0].save(tmp_path / "base")
    joy = HeadPlan("joy", "presence", ("joy",))
    log = []
    network = tuned(tmp_path / "base", targets={"joy": ONE_HOT[:, [2]]}, heads=[joy], epochs=13, report=log.append)
    assert network.predict(HELD_OUT)["joy"][RIGHT == 2].min() > network.predict(HELD_OUT)["joy"][RIGHT != 2].max()
    embeddings = "embeddings.word_embeddings.weight"
    network.save(tmp_path / "next")
    before, after = weights(tmp_path / "base"), weights(tmp_path / "next")
    assert torch.equal(before[embeddings], after[embeddings])
    moved = "encoder.layer.1.output.dense.weight"
    assert not torch.equal(before[moved], after[moved])


def test_only_a_network_is_replaced(learnt, tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(RunError) as caught:
        learnt[0].save(tmp_path)
    assert caught.value.code == "not_replaced"


def test_what_is_no_network_is_refused(learnt, base, tmp_path):
    with pytest.raises(InputError) as missing:
        FineTuned.load(tmp_path)
    assert missing.value.code == "bad_base_model"
    learnt[0].save(tmp_path / "saved")
    settings = tmp_path / "saved/heads.json"
    original = settings.read_text()
    others = (original.replace('"grief"', '"grief", "pride"'), "{", "[]", original.replace("choice", "chance"))
    for text in others:
        settings.write_text(text)
        with pytest.raises(ModelError) as caught:
            FineTuned.load(tmp_path / "saved")
        assert caught.value.code == "bad_head"
    with pytest.raises(ModelError):
        FineTuned.load(base)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"epochs": 0}, "bad_setting"),
        ({"epochs": float("nan")}, "bad_setting"),
        ({"learning_rate": 0}, "bad_setting"),
        ({"layer_decay": 1.5}, "bad_setting"),
        ({"batch": 1}, "bad_setting"),
        ({"threads": 0}, "bad_setting"),
        ({"max_tokens": 2}, "bad_setting"),
        ({"max_tokens": 129}, "bad_setting"),
        ({"heads": []}, "heads_mismatch"),
        ({"heads": [WHICH, WHICH]}, "heads_mismatch"),
        ({"targets": {"mood": ONE_HOT}}, "heads_mismatch"),
        ({"losses": {"mood": "kl"}}, "heads_mismatch"),
        ({"losses": {"feeling": "focal"}}, "unknown_loss"),
        ({"targets": {"feeling": ONE_HOT[1:]}}, "shape_mismatch"),
        ({"targets": {"feeling": np.full((24, 4), np.nan)}}, "no_targets"),
        ({"weights": np.zeros(24)}, "no_targets"),
        ({"weights": -np.ones(24)}, "bad_weights"),
        ({"weights": np.ones(3)}, "bad_weights"),
        ({"second": ["joy"]}, "shape_mismatch"),
    ],
)
def test_what_does_not_fit_is_refused(base, changes, code):
    with pytest.raises(UsageError) as caught:
        tuned(base, **changes)
    assert caught.value.code == code


def test_a_base_is_needed(tmp_path):
    with pytest.raises(InputError) as caught:
        tuned(tmp_path)
    assert caught.value.code == "bad_base_model"
