"""Series are read in the official layout, what fills up a batch does not count, and training repeats itself."""

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs the train extra: pip install "affectome[train]"')

import torch

from affectome.errors import InputError, LeakError, UsageError
from affectome.learn import sequence_files as files
from affectome.learn.objectives import concordance_loss
from affectome.learn.sequences import (
    RecurrentNetwork,
    SequencePlan,
    fit_sequences,
    fuse,
    score_series,
    sequence_loss,
    sweep_seeds,
)

pytestmark = pytest.mark.train

NAN = math.nan
TINY = SequencePlan(width=8, layers=1, hidden=8, learning_rate=0.02, epochs=25, window=20, hop=10)


def toy_series(count, *, seed, rows=30, by_row=True, noise=0.3):
    """Series whose target is the running mean of what the first feature shows."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        shown = rng.normal(size=(rows + number % 3, 3)).astype(np.float32)
        felt = np.zeros(len(shown), np.float32)
        for t in range(1, len(shown)):
            felt[t] = 0.7 * felt[t - 1] + 0.3 * shown[t, 0]
        shown[:, 1] += noise
        targets = np.tanh(felt)[:, None] if by_row else np.float32([felt[-1] > 0])
        found.append(files.Series(f"{seed}-{number}", shown, targets))
    return found


def closed_form(truth, output):
    """The concordance with population moments, step by step."""
    covariance = np.mean((truth - truth.mean()) * (output - output.mean()))
    return 2 * covariance / (truth.var() + output.var() + (truth.mean() - output.mean()) ** 2)


def test_the_loss_is_the_closed_form():
    rng = np.random.default_rng(1)
    truth, raw = rng.uniform(-1, 1, (3, 40, 2)), rng.normal(size=(3, 40, 2))
    expected = np.mean([1 - closed_form(truth[b, :, k], np.tanh(raw[b, :, k])) for b in range(3) for k in range(2)])
    loss = sequence_loss(torch.from_numpy(raw), torch.from_numpy(truth), "concordance")
    assert float(loss) == pytest.approx(expected, abs=1e-6)
    whole = sequence_loss(torch.from_numpy(raw[:, 0]), torch.from_numpy(truth[:, 0]), "concordance")
    expected = np.mean([1 - closed_form(truth[:, 0, k], np.tanh(raw[:, 0, k])) for k in range(2)])
    assert float(whole) == pytest.approx(expected, abs=1e-6)


def test_concordance_by_hand_with_own_weights_of_columns():
    prediction = torch.tensor([[1.0, 0.0], [2.0, 2.0], [9.0, 4.0]])
    target = torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 2.0]])
    weights = torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    # The second column: covariance 4/3, variances 8/3 and 2/3, difference of means 1.
    expected = (0 + 1 - 2 * (4 / 3) / (8 / 3 + 2 / 3 + 1)) / 2
    assert float(concordance_loss(prediction, target, weights)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("loss", ["concordance", "squared", "presence"])
def test_what_fills_up_a_series_has_no_influence(loss):
    torch.manual_seed(0)
    network = RecurrentNetwork(3, 1, replace(TINY, layers=2, bidirectional=True), by_row=True).eval()
    features, lengths = torch.randn(2, 9, 3), torch.tensor([9, 5])
    targets = (torch.rand(2, 9, 1) > 0.5).float()
    targets[1, 5:] = NAN
    features.requires_grad_()
    first = network(features, lengths)
    found = sequence_loss(first, targets, loss)
    found.backward()
    assert torch.equal(features.grad[1, 5:], torch.zeros(4, 3))
    assert features.grad[1, :5].abs().sum() > 0
    assert all(torch.isfinite(value.grad).all() for value in network.parameters())
    other = features.detach().clone()
    other[1, 5:] = 100
    assert torch.equal(network(other, lengths)[1, :5], first[1, :5])
    assert torch.equal(sequence_loss(network(other, lengths), targets, loss), found)
    alone = network(other[1:, :5], lengths[1:])
    assert torch.allclose(alone[0], first[1, :5], atol=1e-6)


def test_a_series_without_known_targets_is_left_out():
    raw, targets = torch.randn(2, 6, 1), torch.rand(2, 6, 1)
    targets[1] = NAN
    both = sequence_loss(raw, targets, "concordance")
    assert float(both) == pytest.approx(float(sequence_loss(raw[:1], targets[:1], "concordance")))


def test_the_last_state_of_both_directions_tells_of_the_series():
    network = RecurrentNetwork(2, 7, replace(TINY, layers=3, bidirectional=True), by_row=False).eval()
    features = torch.randn(2, 6, 2)
    found = network(features, torch.tensor([6, 4]))
    assert found.shape == (2, 7)
    assert torch.allclose(found[1:], network(features[1:, :4], torch.tensor([4])), atol=1e-6)
    assert "bias" not in dict(network.first.named_parameters())


def test_training_learns_and_repeats_itself():
    train, devel, test = toy_series(16, seed=1), toy_series(6, seed=2), toy_series(6, seed=3)
    state = torch.random.get_rng_state()
    first, again, other = (fit_sequences(train, devel, replace(TINY, dropout=0.1), seed=seed) for seed in (5, 5, 6))
    assert torch.equal(state, torch.random.get_rng_state())
    outputs = first.predict(test)
    assert all(np.array_equal(*pair) for pair in zip(outputs, again.predict(test), strict=True))
    assert not np.array_equal(outputs[0], other.predict(test)[0])
    assert [output.shape for output in outputs] == [each.targets.shape for each in test]
    assert float(score_series(test, outputs, "concordance")) > 0.6
    assert float(score_series(devel, first.predict(devel), "concordance")) == pytest.approx(first.score, abs=1e-6)


def test_the_scale_is_that_of_the_training_series():
    train, devel = toy_series(8, seed=1), toy_series(3, seed=2)
    far = [replace(each, features=each.features * 50 + 7) for each in devel]
    plan = replace(TINY, epochs=2)
    fits = [fit_sequences(train, part, plan, seed=0) for part in (devel, far)]
    assert np.array_equal(fits[0].scaler.mean_, fits[1].scaler.mean_)
    assert np.allclose(fits[0].scaler.mean_, np.concatenate([each.features for each in train]).mean(0), atol=1e-5)


def test_unknown_features_take_the_mean_of_training():
    train, devel = toy_series(8, seed=1), toy_series(3, seed=2)
    fit = fit_sequences(train, devel, replace(TINY, epochs=2), seed=0)
    unknown = replace(devel[0], features=np.full_like(devel[0].features, NAN))
    mean = replace(devel[0], features=np.tile(fit.scaler.mean_, (len(unknown.features), 1)).astype(np.float32))
    assert np.allclose(fit.predict([unknown])[0], fit.predict([mean])[0], atol=1e-5)


@pytest.mark.parametrize("loss", ["presence", "squared"])
def test_one_target_a_series(loss):
    train, devel = (toy_series(40, seed=seed, rows=6, by_row=False) for seed in (1, 2))
    fit = fit_sequences(train, devel, replace(TINY, loss=loss), seed=0)
    outputs = fit.predict(devel)
    assert outputs[0].shape == (1,)
    assert all(0 <= float(output[0]) <= 1 for output in outputs)
    assert fit.score > 0.6


def test_the_seed_is_chosen_by_the_development_series():
    train, devel = toy_series(6, seed=1), toy_series(3, seed=2)
    sweep = sweep_seeds(train, devel, replace(TINY, epochs=3), seeds=(101, 102, 103))
    assert sweep.best.score == max(sweep.scores)
    assert sweep.best.seed == 101 + sweep.scores.index(max(sweep.scores))


def test_training_ends_when_nothing_gets_better():
    train, devel = toy_series(4, seed=1), toy_series(3, seed=2)
    plan = replace(TINY, learning_rate=0.0, epochs=1000, stop_after=2)
    assert fit_sequences(train, devel, plan, seed=0).epochs == 1


def modalities(count, seed):
    """The same series as one modality that shows the state and one that shows noise."""
    series = toy_series(count, seed=seed)
    rng = np.random.default_rng(100 + seed)
    noise = [replace(each, features=rng.normal(size=each.features.shape).astype(np.float32)) for each in series]
    return {"clear": series, "noise": noise}


def test_late_fusion_follows_the_better_reader():
    train, devel, test = modalities(12, 1), modalities(5, 2), modalities(6, 3)
    fused = fuse(train, devel, TINY, replace(TINY, width=4), count=3, seed=0)
    single = {
        name: float(score_series(test[name], reader.predict(test[name]), "concordance"))
        for name, reader in fused.readers.items()
    }
    score = float(score_series(test["clear"], fused.predict(test), "concordance"))
    assert score > single["noise"] + 0.3
    assert score > single["clear"] - 0.1


def test_late_fusion_of_whole_series():
    parts = [
        {name: [replace(each, targets=np.float32([each.targets[-1, 0] > 0])) for each in group] for name, group in all_}
        for all_ in (modalities(24, 1).items(), modalities(12, 2).items())
    ]
    plan = replace(TINY, loss="presence", epochs=4)
    fused = fuse(*parts, plan, plan, count=3, seed=0)
    assert {output.shape for output in fused.predict(parts[1])} == {(1,)}


def test_late_fusion_refuses_shared_subjects_and_other_series():
    train, devel = modalities(6, 1), modalities(3, 2)
    with pytest.raises(LeakError):
        fuse(train, train, TINY, TINY, seed=0)
    with pytest.raises(UsageError, match="same modalities"):
        fuse(train, {"clear": devel["clear"]}, TINY, TINY, seed=0)
    fused = fuse(train, devel, replace(TINY, epochs=1), replace(TINY, epochs=1), count=2, seed=0)
    with pytest.raises(UsageError, match="the same series"):
        fused.predict({"clear": devel["clear"], "noise": devel["noise"][::-1]})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda train, devel: ([], devel), "no_series"),
        (lambda train, devel: (train, []), "no_series"),
        (lambda train, devel: (train, toy_series(2, seed=2, by_row=False)), "shape_mismatch"),
        (lambda train, devel: (train, [replace(d, targets=np.full_like(d.targets, NAN)) for d in devel]), "no_score"),
    ],
)
def test_series_that_cannot_be_trained_on(change, code):
    with pytest.raises(UsageError) as error:
        fit_sequences(*change(toy_series(3, seed=1), toy_series(2, seed=2)), replace(TINY, epochs=1), seed=0)
    assert error.value.code == code


@pytest.mark.parametrize("changes", [{"loss": "mean"}, {"layers": 5}])
def test_plans_that_cannot_be(changes):
    with pytest.raises(UsageError):
        SequencePlan(**changes)


def test_windows_reach_the_end():
    series = files.Series("a", np.zeros((450, 1), np.float32), np.arange(450, dtype=np.float32)[:, None])
    cuts = [(part.targets[0, 0], part.targets[-1, 0]) for part in series.windows(200, 100)]
    assert cuts == [(0, 199), (100, 299), (200, 399), (300, 449)]
    assert [len(part.features) for part in replace(series, targets=np.float32([1])).windows(300, 300)] == [300, 150]
    with pytest.raises(UsageError):
        series.windows(10, 11)


@pytest.mark.parametrize(
    ("features", "targets"),
    [
        (np.zeros((0, 2)), np.zeros(1)),
        (np.zeros(3), np.zeros(1)),
        (np.full((2, 1), np.inf), np.zeros(1)),
        (np.zeros((2, 1)), np.zeros((3, 1))),
        (np.zeros((2, 1)), np.zeros((2, 0))),
        (np.zeros((2, 1)), np.full(1, np.inf)),
    ],
)
def test_series_that_cannot_be(features, targets):
    with pytest.raises(UsageError):
        files.Series("a", features, targets)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def stress(tmp_path):
    """Three subjects with two rows and more, the test subject without labels."""
    write(tmp_path / "metadata/partition.csv", "Id,Proposal\n1,train\n2,devel\n3,test\n")
    for subject in "123":
        rows = "".join(f"{t * 500},1,0.{t}{subject},{t}\n" for t in range(4))
        write(tmp_path / f"feature_segments/faus/{subject}.csv", f"timestamp,segment_id,AU01,AU02\n{rows}")
        rows = "".join(f"{t * 500},{'' if subject == '3' else t / 10},1\n" for t in range(5))
        write(tmp_path / f"label_segments/valence/{subject}.csv", f"timestamp,value,segment_id\n{rows}")
    return tmp_path


def test_the_official_layout_of_stress(stress, tmp_path):
    parts = files.read_stress(stress, features="faus", target="valence")
    assert {name: [each.subject for each in part] for name, part in parts.items()} == {
        "train": ["1"],
        "devel": ["2"],
        "test": ["3"],
    }
    first = parts["train"][0]
    assert np.allclose(first.features[:4], [[0.01, 0], [0.11, 1], [0.21, 2], [0.31, 3]])
    assert np.isnan(first.features[4]).all()  # labelled, without features
    assert np.allclose(first.targets[:, 0], [0, 0.1, 0.2, 0.3, 0.4])
    assert np.isnan(parts["test"][0].targets).all()
    fit = fit_sequences(parts["train"], parts["devel"], replace(TINY, epochs=1), seed=0)
    outputs = fit.predict(parts["test"])
    files.write_submission(tmp_path / "valence.csv", parts["test"], outputs)
    lines = (tmp_path / "valence.csv").read_text().splitlines()
    assert lines[0] == "meta_col_0,meta_col_1,meta_col_2,prediction"
    assert lines[2].startswith("3,500,1,")
    assert [float(line.split(",")[-1]) for line in lines[1:]] == pytest.approx(outputs[0][:, 0].tolist(), abs=1e-6)


def test_the_official_layout_of_humour(tmp_path):
    write(tmp_path / "metadata/partition.csv", "Id,Partition\nbaum,train\n")
    rows = "".join(f"{t * 500},{segment},{segment},{t}\n" for segment in (1, 2) for t in range(8))
    write(tmp_path / "feature_segments/egemaps/baum/baum_1.csv", f"timestamp,segment_id,f1,f2\n{rows}")
    rows = "baum,1,0,2000,0\nbaum,1,2000,4000,1\nbaum,2,2000,4000,1\nbaum,3,0,2000,0\n"
    header = "subject_id,segment_id,timestamp_start,timestamp_end,humor\n"
    write(tmp_path / "label_segments/baum/baum_1.csv", header + rows)
    series = files.read_humour(tmp_path, features="egemaps")["train"]
    assert [each.targets.tolist() for each in series] == [[0], [1], [1], [0]]
    assert series[2].features.tolist() == [[2, 4], [2, 5], [2, 6], [2, 7]]
    assert np.isnan(series[3].features).all()
    assert series[3].features.shape == (1, 2)
    assert series[1].places == (("baum", 1, 2000, 4000),)
    files.write_submission(tmp_path / "humour.csv", series, [np.float32([0.5])] * 4)
    assert (tmp_path / "humour.csv").read_text().splitlines()[2] == "baum,1,2000,4000,0.5"


@pytest.fixture
def reaction(tmp_path):
    write(tmp_path / "partition.csv", "File_ID,Split\n[1],train\n[2],test\n")
    labels = "".join(f"[{clip}]{',0.5' * 7}\n" for clip in (1, 2))
    write(tmp_path / "labels.csv", f"File_ID,{','.join(files.REACTIONS)}\n{labels}")
    for clip in (1, 2):
        write(tmp_path / f"feats/vgg/{clip}.csv", f"timestamp,segment_id,f1\n0,{clip},2\n500,{clip},\n")
    return tmp_path


def test_the_official_layout_of_reactions(reaction):
    parts = files.read_reaction(reaction, features="vgg")
    (clip,) = parts["test"]
    assert clip.features[0, 0] == 2
    assert np.isnan(clip.features[1, 0])
    assert clip.targets.tolist() == [0.5] * 7
    files.write_submission(reaction / "out.csv", [clip], [clip.targets])
    assert (reaction / "out.csv").read_text().splitlines() == [
        f"File_ID,{','.join(files.REACTIONS)}",
        f"[2]{',0.5' * 7}",
    ]


@pytest.mark.parametrize(
    ("path", "text", "code"),
    [
        ("partition.csv", "File_ID,Split\n[1],trains\n", "bad_partition"),
        ("partition.csv", "File_ID,Split\n[1],train\n[1],test\n", "bad_partition"),
        ("partition.csv", "File_ID,Split\n[9],train\n", "missing_labels"),
        ("labels.csv", "File_ID,Fear\n[1],0\n", "missing_column"),
        ("feats/vgg/1.csv", "timestamp,segment_id,f1\n0,1,low\n", "not_a_number"),
        ("feats/vgg/1.csv", "timestamp,segment_id\n0,1\n", "no_features"),
        ("feats/vgg/1.csv", "", "unreadable_file"),
    ],
)
def test_files_that_cannot_be_read(reaction, path, text, code):
    write(reaction / path, text)
    with pytest.raises(InputError) as error:
        files.read_reaction(reaction, features="vgg")
    assert error.value.code == code


def test_stress_with_a_repeated_timestamp_and_humour_without_files(stress):
    write(stress / "feature_segments/faus/1.csv", "timestamp,segment_id,f\n0,1,1\n0,1,2\n")
    with pytest.raises(InputError, match="twice"):
        files.read_stress(stress, features="faus", target="valence")
    with pytest.raises(InputError, match="no CSV files"):
        files.read_humour(stress, features="faus")


@pytest.mark.parametrize("outputs", [[], [np.zeros((2, 1))], [np.zeros((3, 1))]])
def test_a_submission_that_does_not_fit(tmp_path, outputs):
    series = [files.Series("a", np.zeros((3, 1)), np.zeros((3, 1)), ())]
    with pytest.raises(UsageError):
        files.write_submission(tmp_path / "out.csv", series, outputs)
    assert not (tmp_path / "out.csv").exists()
