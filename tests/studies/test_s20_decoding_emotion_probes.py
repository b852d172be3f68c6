import gzip
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from affectome.studies import s20_decoding_emotion_probes as study
from affectome.studies.balanced_comments import load_comments

pytestmark = pytest.mark.train

EMOTIONS = ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]
THINGS = "lamp river chair paper garden window bottle market engine winter pencil mountain".split()  # noqa: SIM905


@pytest.fixture
def comments(data):
    """Comments that name their emotion, twenty of each in a part; some have two emotions, some come twice."""
    folder = data / "goemotions"
    folder.mkdir()
    (folder / "mappings.json").write_text(json.dumps({"ekman": {name: [name] for name in EMOTIONS}}))
    (folder / "emotions.txt").write_text("\n".join(EMOTIONS))
    draw = np.random.default_rng(0)
    for part in ("train", "dev", "test"):
        lines = ["they come in every part of it, word for word\t3\tx", "both of them in one comment\t0,5\ty"]
        for number, emotion in enumerate(EMOTIONS):
            for _ in range(20):
                words = " ".join(draw.choice(THINGS, 7))
                lines.append(f"{emotion} {words} {draw.integers(10**9)}\t{number}\tz")
        with gzip.open(folder / f"{part}.tsv.gz", "wt") as stream:
            stream.write("\n".join(lines))
    return folder


@pytest.fixture
def base(tmp_path):
    """A random language model that knows the words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path / "base"
    words = {word: k for k, word in enumerate(["<pad>", "<eos>", "<unk>", *EMOTIONS, *THINGS])}
    known = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    known.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=known, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(words), eos_token_id=1, pad_token_id=0, **sizes)).save_pretrained(
        folder
    )
    return folder


def test_comments_have_one_emotion_and_are_drawn_once(comments):
    found = load_comments(comments, {"train": 9, "dev": 4, "test": 5}, seed=1)
    assert {part: len(rows) for part, rows in found.rows.items()} == {"train": 63, "dev": 28, "test": 35}
    for part, count in (("train", 9), ("dev", 4), ("test", 5)):
        assert np.bincount(found.labels[found.rows[part]]).tolist() == [count] * 7
    assert "both of them in one comment" not in found.texts
    assert sum("word for word" in text for text in found.texts) <= 1
    named = [text.split()[0] == found.emotions[label] for text, label in zip(found.texts, found.labels, strict=True)]
    assert sum(named) >= len(named) - 1


def test_every_emotion_that_is_named_is_found(comments, base, context):
    context.base, context.quick = base, True
    outcome = study.run(context)
    table = outcome.tables[0]
    assert [row.role for row in table.rows[:2]] == ["baseline", "baseline"]
    values = {row.predictor: row.values["macro-F1"].value for row in table.rows}
    assert values["majority"] < 0.1
    assert values["linear probe, shuffled labels"] < 0.5
    assert values[table.rows[-1].predictor] > values["zero-shot answer"]
    layers = {row.values["layer"] for row in outcome.tables[1].rows[1:]}
    assert layers == {0, 1, 2, 3, 4}
    assert [row.predictor for row in outcome.tables[2].rows[:2]] == ["chance", "0 tokens after the comment"]
    assert len(outcome.tables[2].rows) == 10
    texts = " ".join(claim.text for claim in outcome.claims)
    for part in ("majority", "zero-shot", "embedding", "random weights", "shuffled", "prompt raises"):
        assert part in texts
    assert context.vaults
