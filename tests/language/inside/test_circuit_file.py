import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from affectome.errors import ModelError
from affectome.language.inside import (
    ModuleMap,
    Site,
    capture,
    circuit_sites,
    find_circuit,
    load_circuit,
    plain_prompt,
    read_situations,
)
from affectome.language.inside.circuits import output_weight
from affectome.language.inside.scenarios import EMOTIONS, Situation

pytestmark = pytest.mark.train
READ_AT = Site("block_output", 1)


@pytest.fixture(scope="module")
def situations():
    return [Situation(f"theme {k}", f"a b {'c ' * k}", "neutral") for k in range(4)]


@pytest.fixture(scope="module")
def groups(language_model, situations):
    found = read_situations(language_model, situations, circuit_sites(ModuleMap(language_model.model)))
    # The tiny model knows no word for a feeling, so that its groups are drawn.
    draw = np.random.default_rng(0)
    return {site: draw.normal(size=cells.shape).astype(np.float32) for site, cells in found.items()}


@pytest.fixture(scope="module")
def circuit(language_model, situations, groups):
    prompts = [language_model.prompt_tokens(plain_prompt(each)) for each in situations[:2]]
    return find_circuit(language_model, groups, prompts, READ_AT, sublayers=3)


def test_parts_are_the_most_important_sublayers(circuit):
    assert tuple(circuit.parts) == EMOTIONS
    for parts in circuit.parts.values():
        importance = [part.importance for part in parts]
        assert importance == sorted(importance, reverse=True)
        assert all(value > 0 for value in importance)
        assert len(parts) <= 3
        assert len({part.site for part in parts}) == len(parts)
        for part in parts:
            assert list(part.units.values()) == sorted(part.units.values(), reverse=True)


def test_each_part_adds_its_share_of_the_stream(circuit, language_model, groups):
    for parts in circuit.parts.values():
        total = sum(part.importance for part in parts)
        for part in parts:
            kind = "block_output" if part.site.kind == "neurons" else "after_attention"
            length = np.linalg.norm(groups[Site(kind, part.site.layer)], axis=-1).mean()
            weight = output_weight(language_model.model, part.site)[list(part.columns)]
            added = np.linalg.norm(np.array(part.values) @ weight)
            assert added / length == pytest.approx(part.importance / total, rel=1e-4)


def test_its_dial_raises_its_columns_and_no_others(circuit, language_model):
    part = circuit.parts["fear"][0]
    tokens = torch.tensor([[3, 4, 5]])
    with torch.no_grad(), capture(language_model.model, [part.site]) as plain:
        before = language_model.model(tokens).logits
    dial = circuit.dial()
    only = {part.site: dial.vectors["fear"][part.site]}
    object.__setattr__(dial, "vectors", {"fear": only})
    with (
        torch.no_grad(),
        dial.turned(language_model.model, "fear", 2.0),
        capture(language_model.model, [part.site]) as seen,
    ):
        language_model.model(tokens)
    moved = (seen[part.site][0] - plain[part.site][0])[0, -1].numpy()
    expected = np.zeros(part.size)
    expected[list(part.columns)] = 2 * np.array(part.values)
    np.testing.assert_allclose(moved, expected, atol=1e-4)
    assert torch.equal(language_model.model(tokens).logits, before)


def test_a_file_gives_the_circuit_back(circuit, language_model, tmp_path):
    path = tmp_path / "circuit.json"
    circuit.save(path)
    assert load_circuit(path, language_model) == circuit
    assert json.loads(path.read_text())["read_at"] == "block_output.1"


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("emotions"),
        lambda content: content.update(read_at="nowhere.1"),
        lambda content: content["emotions"]["joy"][0].update(columns=[10**6]),
        lambda content: content["emotions"]["joy"][0].update(values=[]),
        lambda content: content["emotions"]["joy"][0].update(site="neurons.x"),
        lambda content: content.update(emotions=3),
    ],
)
def test_broken_files_are_refused(circuit, language_model, tmp_path, change):
    path = tmp_path / "circuit.json"
    circuit.save(path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ModelError) as caught:
        load_circuit(path, language_model)
    assert caught.value.code == "bad_circuit"


def test_a_circuit_of_another_model_is_refused(circuit, language_model, tmp_path):
    path = tmp_path / "circuit.json"
    circuit.save(path)
    path.write_text(path.read_text().replace(language_model.fingerprint, "0" * 64))
    with pytest.raises(ModelError) as caught:
        load_circuit(path, language_model)
    assert caught.value.code == "other_model"
