import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from affectome.errors import UsageError
from affectome.language.inside import ModuleMap, Site, add_vectors, capture, mask_columns, mask_heads, patch

pytestmark = pytest.mark.train
TOKENS = torch.tensor([[3, 1, 4, 1, 5, 9]])


def _logits(model):
    with torch.no_grad():
        return model(TOKENS).logits


@pytest.mark.parametrize(
    "change",
    [
        lambda model: capture(model, [Site("heads", 0)]),
        lambda model: patch(model, Site("neurons", 1), torch.zeros_like),
        lambda model: mask_heads(model, {0: [1], 2: [0, 3]}),
        lambda model: add_vectors(model, {Site("block_output", 1): torch.ones(24)}, strength=3, scale="rms"),
    ],
)
def test_afterwards_the_model_is_bit_for_bit_what_it_was(model, change):
    before = _logits(model)
    with change(model):
        _logits(model)
    assert torch.equal(_logits(model), before)
    with pytest.raises(ZeroDivisionError), change(model):
        raise ZeroDivisionError
    assert torch.equal(_logits(model), before)


def test_capture_changes_nothing(model):
    before = _logits(model)
    with capture(model, ModuleMap(model).stream()):
        assert torch.equal(_logits(model), before)


def test_one_tensor_is_kept_a_pass(model):
    with capture(model, [Site("mlp", 0)]) as seen:
        model.generate(
            TOKENS, attention_mask=torch.ones_like(TOKENS), max_new_tokens=3, do_sample=False, eos_token_id=-1
        )
    assert [values.shape[1] for values in seen[Site("mlp", 0)]] == [6, 1, 1]


def test_a_patch_of_all_heads_silences_the_attention(model):
    every = {layer: range(4) for layer in range(3)}
    with mask_heads(model, every), torch.no_grad():
        whole = model(TOKENS).logits[:, -1]
        alone = model(TOKENS[:, :-1].new_tensor([[7, 7, 7, 7, 7, 9]])).logits[:, -1]
    torch.testing.assert_close(whole, alone)  # no token sees another


def test_masking_a_head_is_masking_its_columns(model):
    columns = ModuleMap(model).columns(2)
    with mask_heads(model, {1: [2]}):
        one = _logits(model)
    with mask_columns(model, {Site("heads", 1): range(columns.start, columns.stop)}):
        other = _logits(model)
    assert torch.equal(one, other)
    assert not torch.allclose(one, _logits(model))


def test_a_vector_moves_the_stream_where_it_is_added_and_nowhere_else(model):
    site, vector = Site("block_output", 1), torch.arange(24.0)
    with capture(model, [site]) as plain:
        _logits(model)
    for positions, moved in (("last", [5]), ("all", list(range(6))), ([1, 3], [1, 3])):
        with add_vectors(model, {site: vector}, strength=0.5, positions=positions), capture(model, [site]) as seen:
            _logits(model)
        expected = plain[site][0].clone()
        expected[:, moved] += 0.5 * vector
        assert torch.equal(seen[site][0], expected)


def test_rms_scales_with_the_stream(model):
    site, vector = Site("attention", 1), torch.ones(24)
    with capture(model, [site]) as plain:
        _logits(model)
    with add_vectors(model, {site: vector}, strength=2, scale="rms"), capture(model, [site]) as seen:
        _logits(model)
    last = plain[site][0][0, -1]
    torch.testing.assert_close(seen[site][0][0, -1], last + 2 * last.pow(2).mean().sqrt())


def test_a_vector_can_be_added_while_the_prompt_is_read_only(model):
    site = Site("block_output", 2)
    vector = torch.zeros(24)

    def difference(steps):
        options = {"attention_mask": torch.ones_like(TOKENS), "max_new_tokens": 3, "do_sample": False}
        found = []
        parts_of = [Site("mlp", 2), Site("after_attention", 2)]
        with (
            add_vectors(model, {site: vector + 5}, steps=steps),
            capture(model, [site]) as after,
            capture(model, parts_of) as parts,
        ):
            model.generate(TOKENS, eos_token_id=-1, **options)
        for k, values in enumerate(after[site]):
            natural = parts[Site("mlp", 2)][k] + parts[Site("after_attention", 2)][k]
            found.append(round(float((values - natural)[0, -1].mean())))
        return found

    assert difference("all") == [5, 5, 5]
    assert difference("prompt") == [5, 0, 0]


@pytest.mark.parametrize("option", [{"scale": "huge"}, {"steps": "some"}, {"positions": "first"}])
def test_unknown_options_are_refused(model, option):
    with pytest.raises(UsageError) as caught, add_vectors(model, {}, **option):
        pass
    assert caught.value.code.startswith("unknown_")


def test_what_goes_past_a_site_cannot_be_changed_there(model):
    with pytest.raises(UsageError) as caught, patch(model, Site("after_attention", 0), torch.zeros_like):
        pass
    assert caught.value.code == "read_only_site"
