"""A toy world: corpora in their published layouts, recipes beside composed texts, and a tiny base encoder.

The texts name their feeling, so that a network this small has something to learn.
"""

import gzip
import json
import sys
from itertools import product
from pathlib import Path

import pytest

from affectome.affect import load_taxonomy

sys.path.insert(0, str(Path(__file__).parent))

LABELS = load_taxonomy("goemotions28").labels
THINGS = ("garden", "letter", "river", "dinner", "morning", "train", "song", "window", "market", "phone")
MEASURED = {"good": 4.4, "calm": 3.5, "plain": 3.0, "dull": 2.4, "bad": 1.4}
SITUATIONS = {
    "first": ("anger", "fear", "grief", "joy", "pride", "relief", "sadness", "serenity"),
    "second": ("disgust", "joy", "malice", "surprise"),
}
HEADLINES = ("anger", "disgust", "fear", "joy", "sadness", "surprise")

RECIPE = """\
id = "{id}"
version = "0.1.0"
title = "A toy reader"
base = "minilm"
labels_from = "goemotions"
max_tokens = 24
learning_rate = 4e-3
layer_decay = 0.9
warmup = 0.1
averaging = 0.9
smoothing = 0.1
anchors = 6
seed = {seed}
teachers = {teachers}
teacher_share = {teacher_share}

[card]
licence = "Apache-2.0"
commercial = true
commercial_note = ""
intended_use = "Tests."
limits = ["It knows a few hundred words."]
"""
SOURCE = '[[sources]]\ncorpus = "{0}"\npasses = {1}\nbatch = {2}\n'
FIRST = (("goemotions", 14, 16), ("situations", 2, 8), ("emobank", 2, 16), ("vader_ratings", 1, 8), ("toxicity", 1, 8))
SECOND = (
    ("goemotions", 8, 16),
    ("situations_all", 2, 8),
    ("emobank", 1, 16),
    ("crowdflower", 0.5, 8),
    ("composed_harmless", 0.5, 8),
    ("composed_presence", 1, 8),
    ("composed_posts", 1, 8),
    ("composed_headlines", 1, 8),
)


def write(path: Path, text: str) -> None:
    """A file with its folders, gzipped if its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode())


def write_goemotions(folder: Path) -> None:
    write(folder / "emotions.txt", "\n".join(LABELS) + "\n")
    for split, things in (("train", THINGS[:6]), ("dev", THINGS[6:8]), ("test", THINGS[8:9])):
        lines = [f'the "{thing} is {label}\t{k}\tid\n' for thing, (k, label) in product(things, enumerate(LABELS))]
        lines.append(f"the garden is {LABELS[0]} and {LABELS[5]}\t0,5\tid\n")
        write(folder / f"{split}.tsv.gz", "".join(lines))


def write_emobank(path: Path) -> None:
    rows = [
        f'{split}_{k},{split},{v},{6 - v},3.2,"a {word} {thing}, they said"\n'
        for split, things in (("train", THINGS[:7]), ("dev", THINGS[7:9]), ("test", THINGS[9:]))
        for k, ((word, v), thing) in enumerate(product(MEASURED.items(), things))
    ]
    write(path, "id,split,V,A,D,text\n" + "".join(rows) + "blank_1,train,3,3,3, \n")


def write_tweets(folder: Path) -> None:
    """CrowdFlower, Davidson et al., toxic spans and the VADER ratings."""
    feelings = ("enthusiasm", "worry", "fun", "hate", "neutral", "empty")
    rows = [f'{k},{f},"someone","{f} {t}, again"\n' for k, (f, t) in enumerate(product(feelings, THINGS[:5]))]
    write(
        folder / "crowdflower_text_emotion/text_emotion.csv.gz", "tweet_id,sentiment,author,content\n" + "".join(rows)
    )
    rows = [f"{k},4,1,0,{k % 5},1,rude {thing} number {k}\n" for k, thing in enumerate(THINGS)]
    header = ",count,hate_speech,offensive_language,neither,class,tweet\n"
    write(folder / "davidson_hate_offensive/labeled_data.csv.gz", header + "".join(rows))
    write(
        folder / "toxic_spans/annotations.csv.gz",
        "comment_id,not toxic\n7,True\n7,False\n7,False\n7,False\n8,True\n9,False\n",
    )
    write(folder / "toxic_spans/comments.csv.gz", 'comment_id,comment_text\n7,"a bad, bad phone"\n8,fine\n9, \n10,x\n')
    for source in ("tweets", "amazonReviewSnippets", "movieReviewSnippets", "nytEditorialSnippets"):
        lines = [f"{k}\t{k - 4}\tthe {thing} is good\n" for k, thing in enumerate(THINGS[:9])]
        write(folder / f"vader/icwsm2014/{source}_GroundTruth.txt.gz", "".join(lines))


def write_recipes(folder: Path) -> None:
    """A first recipe and a second one that learns from it, with the composed texts they name."""
    for name, labels in SITUATIONS.items():
        for label in labels:
            write(
                folder / f"situations/{name}/{label}.txt",
                "\n".join(f"{label} {name} {thing}" for thing in THINGS) + "\n\n",
            )
    posts = [f'"{t} {a} and {b}\t{a}, {b}\n' for t in THINGS[:4] for a, b in (("joy", "pride"), ("fear", "anger"))]
    write(folder / "situations/posts.tsv", "text\tlabels\n" + "".join(posts))
    headlines = [
        f"{label} in the {t}\t" + "\t".join("80" if label == other else "10" for other in HEADLINES) + "\t-5\n"
        for label, t in product(HEADLINES, THINGS[:3])
    ]
    write(folder / "situations/headlines.tsv", "\t".join(("text", *HEADLINES, "valence")) + "\n" + "".join(headlines))
    write(
        folder / "vocabulary.tsv", "label\twords\tgloss\njoy\tjoyful, glad\ta good morning\nfear\tafraid\ta bad train\n"
    )
    plans = (("first", FIRST, 1, "[]", 0.0), ("second", SECOND, 2, '["first.toml"]', 0.5))
    for name, sources, seed, teachers, share in plans:
        text = RECIPE.format(id=f"toy-{name}", seed=seed, teachers=teachers, teacher_share=share)
        write(folder / f"{name}.toml", text + "".join(SOURCE.format(*source) for source in sources))


def write_base(folder: Path, texts: list[str]) -> None:
    """A random BERT in Hugging Face layout whose tokenizer knows the words of the texts."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    words = sorted({word for text in texts for word in text.lower().split()} | set("\"',.:"))
    vocabulary = {word: k for k, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    config = BertConfig(vocab_size=len(vocabulary), max_position_embeddings=128, initializer_range=0.1, **shape)
    BertModel(config).save_pretrained(folder)


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """A data folder with every corpus that is read from one."""
    folder = tmp_path_factory.mktemp("data")
    write_goemotions(folder / "goemotions")
    write_emobank(folder / "emobank/corpus/emobank.csv.gz")
    write_tweets(folder)
    return folder


@pytest.fixture(scope="session")
def recipes(tmp_path_factory) -> Path:
    """A folder with first.toml, second.toml, the vocabulary and the composed texts."""
    folder = tmp_path_factory.mktemp("recipes")
    write_recipes(folder)
    return folder


@pytest.fixture(scope="session")
def corpora(data, recipes):
    """All corpora by name."""
    from affectome.learn import CORPORA, load_corpus
    from affectome.learn.corpora import COMPOSED

    return {name: load_corpus(name, recipes if name in COMPOSED else data) for name in CORPORA}


@pytest.fixture(scope="session")
def base(tmp_path_factory, corpora) -> Path:
    """A base encoder: two layers, 32 wide."""
    folder = tmp_path_factory.mktemp("base") / "tiny"
    write_base(folder, [text for corpus in corpora.values() for text in (*corpus.texts, *corpus.columns)])
    assert json.loads((folder / "config.json").read_text())["model_type"] == "bert"
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory, recipes, data, base):
    """Teacher and student trained: the folder, the bundle in it, and the log as pairs of recipe and progress."""
    from affectome.learn.training import train_recipe

    out = tmp_path_factory.mktemp("trained")
    log = []
    bundle = train_recipe(
        recipes / "second.toml", data=data, base=base, out=out, threads=1, report=lambda *line: log.append(line)
    )
    return out, bundle, log


@pytest.fixture(autouse=True)
def one_thread():
    """Torch keeps to one thread: the networks are too small for more."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture
def change_recipe(recipes):
    """Writes first.toml with replacements under another name and gives its path."""

    def change(name: str, *replacements: tuple[str, str], of: str = "first.toml") -> Path:
        text = (recipes / of).read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new, 1)
        (recipes / name).write_text(text)
        return recipes / name

    return change
