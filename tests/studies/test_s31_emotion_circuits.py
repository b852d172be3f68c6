import json

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from affectome.studies import s31_emotion_circuits as study

pytestmark = pytest.mark.train

THEMES = ["work", "school", "travel", "health", "house", "shop", "office", "friends"]
THINGS = "lamp river chair paper garden window bottle market engine winter pencil mountain".split()  # noqa: SIM905


@pytest.fixture
def scenarios(data):
    folder = data / "sev_emotion_circuits"
    folder.mkdir()
    rows = [
        {
            "theme": theme,
            "scenario": f"I saw the {THINGS[k]} at {theme}",
            "event": {"positive": "It was good.", "neutral": "It was there.", "negative": "It was bad."},
        }
        for theme in THEMES
        for k in range(6)
    ]
    (folder / "sev.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.fixture
def base(tmp_path):
    """A random language model that knows the words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path / "base"
    said = "I saw the at It was good there bad . am so angry furious enraged happy sad afraid surprised disgusted"
    words = {word: k for k, word in enumerate(["<pad>", "<eos>", "<unk>", *THEMES, *THINGS, *said.split()])}
    known = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    known.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=known, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 80, "num_hidden_layers": 5, "num_attention_heads": 4}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(words), eos_token_id=1, pad_token_id=0, **sizes)).save_pretrained(
        folder
    )
    return folder


def test_tables_start_with_what_has_no_skill_and_test_is_opened_once(scenarios, base, context):
    context.base, context.quick = base, True
    outcome = study.run(context)
    read, layers, choosing, *curves, steered, silenced = outcome.tables
    assert [row.role for row in read.rows] == ["baseline", "control", "control", "result", "result"]
    assert layers.rows[0].predictor == "chance"
    assert choosing.rows[0].predictor == "unsteered"
    assert choosing.rows[0].values["perplexity, times unsteered"] == 1
    assert ["uniform" in curve.title for curve in curves] == [True, False]
    for curve in curves:
        assert [row.predictor for row in curve.rows] == [f"dose {dose}" for dose in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)]
    assert [row.role for row in steered.rows] == ["baseline"] * 2 + ["control"] + ["result"] * 3
    assert [row.role for row in silenced.rows] == ["baseline", *["control", "result"] * 2]
    texts = " ".join(claim.text for claim in outcome.claims)
    for part in ("new themes", "cosine", "dial rises", "unsteered", "perplexity", "random", "circuit beats", "neurons"):
        assert part in texts
    [vault] = context.vaults
    assert [opened["name"] for opened in vault.record()] == ["test"]


def test_halves_share_no_theme_no_scenario_and_no_wording(scenarios, context):
    dev, test = study._halves(context)
    assert len(dev.read) == len(test.read) == 36
    assert len(dev.tried) == len(test.tried) == 12
    assert not {each.theme for each in dev.read} & {each.theme for each in test.read}
    for half in (dev, test):
        assert {each.theme for each in half.read} == {each.theme for each in half.tried}
        assert not {each.text for each in half.read} & {each.text for each in half.tried}
    assert not set(dev.wordings.values()) & set(test.wordings.values())
