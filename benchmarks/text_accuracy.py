"""How well the shipped text reader reads, beside baselines and the control that should fail.

Run: python benchmarks/text_accuracy.py --data DIR [--checkpoint FILE]

Test rows are read here and nowhere else. Thresholds of every system on GoEmotions come from its development rows; the
open-vocabulary sets have no part in training or in any choice.
"""

from __future__ import annotations

import csv
import functools
import gzip
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier

from affectome.affect import load_taxonomy, map_labels
from affectome.affect.space import Anchors
from affectome.api import ReaderOptions
from affectome.evaluate import choose_thresholds, ece, f1, hit_at_k, multilabel_f1, pearson
from affectome.learn import load_corpus
from affectome.perceive import TextReader
from affectome.perceive.encoder import TextEncoder
from arguments import RESULTS, base_folder, parser
from result_rows import SEED, Results


def rotated(anchors: Anchors) -> Anchors:
    """The control that should fail: every label gets the position of another one."""
    return Anchors(anchors.labels, np.roll(anchors.vectors, 1, axis=0))


def float_encoder(checkpoint: Path, base: Path, reader: TextReader) -> TextEncoder:
    """The trained model before its weights became integers."""
    import onnxruntime
    from safetensors.torch import load_file

    from affectome.learn.onnx_graph import build_graph
    from affectome.learn.text_model import TextAffectModel

    model = TextAffectModel(base, reader.labels).eval()
    trained = {k.removeprefix("average/"): v for k, v in load_file(checkpoint).items() if k.startswith("average/")}
    model.load_state_dict(trained, strict=False)
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    config = model.encoder.config
    graph = build_graph(
        weights,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        ranges={},
        quantize_embeddings=False,
    )
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return TextEncoder(session, reader.encoder.tokenizer)


def goemotions(results: Results, reader: TextReader, floats: TextEncoder | None, data: Path) -> None:
    corpus = load_corpus("goemotions", data)
    train, dev, test = (corpus.part(part) for part in ("train", "dev", "test"))
    tfidf = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    linear = OneVsRestClassifier(LogisticRegression(C=4, class_weight="balanced", solver="liblinear"))
    linear.fit(tfidf.fit_transform(train.texts), train.targets)
    encoded = {part.split[0]: reader.encoder.encode(part.texts) for part in (dev, test)}
    anchors = reader.space.anchors(load_taxonomy("goemotions28").forms())

    def direct(part: str) -> Any:
        return reader.read_out(encoded[part])

    def positions(where: Anchors, part: str) -> Any:
        return reader.space.presence(encoded[part].vectors, where)

    prior = np.tile(train.targets.mean(0), (len(test.texts), 1))
    systems = {
        "prior of each label": (np.tile(train.targets.mean(0), (len(dev.texts), 1)), prior),
        "tf-idf, linear": tuple(linear.predict_proba(tfidf.transform(part.texts)) for part in (dev, test)),
        "text-en, positions of other labels": tuple(positions(rotated(anchors), part) for part in ("dev", "test")),
        "text-en, open vocabulary": tuple(positions(anchors, part) for part in ("dev", "test")),
        "text-en": (direct("dev"), direct("test")),
    }
    if floats:
        systems["text-en, float weights"] = tuple(reader.read_out(floats.encode(part.texts)) for part in (dev, test))
    for name, (on_dev, on_test) in systems.items():
        smoothing = 10.0 if name.startswith("text-en") else 0.0
        chosen = choose_thresholds(dev_truth=dev.targets, dev_probability=on_dev, smoothing=smoothing).values
        thresholds = np.array(list(reader.thresholds.values())) if name == "text-en" else chosen
        for average in ("macro", "micro"):
            metric = functools.partial(multilabel_f1, thresholds=thresholds, average=average)
            results.add("GoEmotions test", name, f"{average} F1", metric, truth=test.targets, probability=on_test)
        results.add("GoEmotions test", name, "ECE", ece, truth=test.targets, probability=on_test)


def emobank(results: Results, reader: TextReader, data: Path) -> None:
    corpus = load_corpus("emobank", data)
    train, test = corpus.part("train"), corpus.part("test")
    tfidf = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    ridge = Ridge(alpha=2.0).fit(tfidf.fit_transform(train.texts), train.targets)
    outputs = {
        "tf-idf, ridge": ridge.predict(tfidf.transform(test.texts)),
        "text-en": reader.encoder.encode(test.texts).means[:, :3],
    }
    vader = vader_compound(test.texts)
    results.add("EmoBank test", "VADER", "r valence", pearson, truth=test.targets[:, 0], prediction=vader)
    for name, output in outputs.items():
        for k, dimension in enumerate(corpus.columns):
            results.add(
                "EmoBank test", name, f"r {dimension}", pearson, truth=test.targets[:, k], prediction=output[:, k]
            )


def vader_compound(texts: list[str]) -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    return np.array([analyzer.polarity_scores(text)["compound"] for text in texts])


def situation_rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def open_vocabulary(results: Results, reader: TextReader, base: Callable[[list[str]], Any], data: Path) -> None:
    ed = load_taxonomy("ed32")
    names = json.loads((data / "empatheticdialogues/label_names.json").read_text())["situations (JointMatch ids 1-32)"]
    rows = [
        row
        for part in ("dev", "test")
        for row in situation_rows(data / f"empatheticdialogues/situations_{part}.csv.gz")
    ]
    truth = np.array([ed.labels.index(names[row["label"]]) for row in rows])
    choices(results, "EmpatheticDialogues situations", reader, base, ed, [row["content"] for row in rows], truth)
    tweets = (data / "tweeteval/emotion/test_text.txt").read_text(encoding="utf-8").splitlines()
    truth = np.array([int(x) for x in (data / "tweeteval/emotion/test_labels.txt").read_text().split()])
    four = load_taxonomy("tweeteval4")
    order = [four.labels.index(name) for name in ("anger", "joy", "optimism", "sadness")]
    choices(results, "TweetEval emotion test", reader, base, four, tweets, np.array(order)[truth])


def choices(
    results: Results, data: str, reader: TextReader, base: Any, taxonomy: Any, texts: list[str], truth: Any
) -> None:
    k = len(taxonomy.labels)
    vectors = reader.encoder.vectors(texts)
    anchors = reader.space.anchors(taxonomy.forms())
    forms = [f"a feeling of {label}" for label in taxonomy.labels]
    most = np.zeros((len(texts), k))
    most[:, np.bincount(truth).argmax()] = 1
    systems = {
        "most frequent label": most,
        "all-MiniLM-L6-v2, untrained": base(texts) @ base(forms).T,
        "text-en, positions of other labels": reader.space.choose(vectors, rotated(anchors)),
        "text-en": reader.space.choose(vectors, anchors),
    }
    if k <= 8:
        mapping = map_labels("goemotions28", taxonomy.id)
        systems["text-en, 28 labels mapped"] = mapping.apply(reader.probabilities(texts))[0]
    for name, p in systems.items():
        for top in (1, 3) if k > 8 else ():
            results.add(data, name, f"top-{top}", functools.partial(hit_at_k, k=top), truth=truth, probability=p)
        results.add(data, name, "macro F1", f1, truth=truth, prediction=p.argmax(1))


def headlines(results: Results, reader: TextReader, base: Any, data: Path) -> None:
    root = data / "semeval2007_affective_text"
    items = {
        node.attrib["id"]: node.text or "" for node in ElementTree.parse(root / "affectivetext_test.xml").getroot()
    }
    raters = [
        {row.split()[0]: np.array(row.split()[1:7], float) for row in path.read_text().splitlines()}
        for path in sorted((root / "Annotations").glob("*.txt"))
    ]
    ids = [i for i in items if all(i in rater for rater in raters)]
    strength = np.mean([[rater[i] for i in ids] for rater in raters], axis=0)
    texts = [items[i] for i in ids]
    labels = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
    six = load_taxonomy("ekman6")
    forms = {label: six.forms()[label] for label in labels}
    vectors = reader.encoder.vectors(texts)
    anchors = reader.space.anchors(forms)
    mapped = map_labels("goemotions28", "ekman6").apply(reader.probabilities(texts))[0]
    systems = {
        "all-MiniLM-L6-v2, untrained": base(texts) @ base([f"a feeling of {label}" for label in labels]).T,
        "text-en, positions of other labels": reader.space.presence(vectors, rotated(anchors)),
        "text-en, 28 labels mapped": mapped[:, [six.labels.index(label) for label in labels]],
        "text-en": reader.space.presence(vectors, anchors),
    }
    for name, p in systems.items():
        results.add("SemEval-2007 headlines", name, "mean r of 6", pearson, truth=strength, prediction=p)
    soft_and_hard(results, vectors, strength)


def soft_and_hard(results: Results, vectors: Any, strength: Any) -> None:
    """Soft against hard labels of six raters: a linear softmax on the frozen vectors, five folds, five seeds."""
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    kept = strength.sum(1) > 0
    x = np.column_stack([vectors[kept], np.ones(kept.sum())]).astype(float)
    share = strength[kept] / strength[kept].sum(1, keepdims=True)
    hard = np.eye(6)[share.argmax(1)]

    def fit(x: Any, y: Any, decay: float) -> Any:
        def loss(flat: Any) -> tuple[float, Any]:
            w = flat.reshape(x.shape[1], 6)
            logp = log_softmax(x @ w, axis=1)
            gradient = x.T @ (np.exp(logp) - y) / len(x) + decay * w
            return -(y * logp).sum(1).mean() + decay * (w**2).sum() / 2, gradient.ravel()

        return minimize(loss, np.zeros(x.shape[1] * 6), jac=True, method="L-BFGS-B").x.reshape(-1, 6)

    def divergence(y: Any, w: Any, x: Any) -> Any:
        logp = log_softmax(x @ w, axis=1)
        return (y * (np.log(np.maximum(y, 1e-12)) - logp)).sum(1)

    kl = {"hard": np.zeros(len(x)), "soft": np.zeros(len(x))}
    decays = (1e-3, 3e-3, 1e-2, 3e-2)
    for seed in range(5):
        folds = np.random.default_rng(seed).integers(0, 5, len(x))
        for fold in range(5):
            train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            inner, held = train[: int(0.8 * len(train))], train[int(0.8 * len(train)) :]
            for name, y in (("hard", hard), ("soft", share)):
                best = min(decays, key=lambda d: divergence(share[held], fit(x[inner], y[inner], d), x[held]).mean())
                kl[name][test] += divergence(share[test], fit(x[train], y[train], best), x[test]) / 5
    for name, values in kl.items():
        results.add("SemEval-2007, six raters", f"{name} labels", "KL", lambda values: values.mean(), values=values)
    results.add(
        "SemEval-2007, six raters",
        "soft minus hard",
        "KL",
        lambda values: values.mean(),
        values=kl["soft"] - kl["hard"],
    )


def untrained(base: Path) -> Callable[[list[str]], Any]:
    """Unit vectors of the base encoder as it comes."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(2)
    tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModel.from_pretrained(base).eval()

    def encode(texts: list[str]) -> Any:
        order = np.argsort([len(text) for text in texts])
        out = np.zeros((len(texts), model.config.hidden_size), np.float32)
        with torch.no_grad():
            for start in range(0, len(order), 64):
                rows = order[start : start + 64]
                batch = tokenizer(
                    [texts[i] for i in rows], padding=True, truncation=True, max_length=96, return_tensors="pt"
                )
                mask = batch["attention_mask"].unsqueeze(-1)
                pooled = (model(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
                out[rows] = torch.nn.functional.normalize(pooled, dim=1).numpy()
        return out

    return encode


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--model")
    options.add_argument(
        "--checkpoint", type=Path, help="checkpoint of the last stage, to measure the loss by integers"
    )
    options.add_argument("--out", type=Path, default=RESULTS / "text_accuracy.json")
    arguments = options.parse_args()
    arguments.base = base_folder(arguments.base)
    reader = ReaderOptions(model=arguments.model).open(threads=2)
    results = Results()
    base = untrained(arguments.base)
    floats = float_encoder(arguments.checkpoint, arguments.base, reader) if arguments.checkpoint else None
    goemotions(results, reader, floats, arguments.data)
    emobank(results, reader, arguments.data)
    open_vocabulary(results, reader, base, arguments.data)
    headlines(results, reader, base, arguments.data)
    record = {
        "model": reader.model,
        "weights": reader.card.files["model.onnx"].sha256,
        "seed": SEED,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "results": results.rows,
    }
    arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
