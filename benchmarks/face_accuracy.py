"""How well the face reader reads expressions, beside baselines and the control that should fail.

Run: python benchmarks/face_accuracy.py --data DIR [--peer FILE]

Test pictures are read here and nowhere else; none of them, cut or scaled differently, is in training, which is
asserted. Every face goes the way that ``affectome analyze --face-crops`` takes. ``--peer`` is the expression network
``emotion_model_quantized.tflite`` of the package fer 25.10.3, which knows the seven classes of FER2013; whether its
training pictures include the test is not known.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from affectome.affect import load_taxonomy
from affectome.api import ReaderOptions
from affectome.evaluate import accuracy, ece, f1, kl, uar
from affectome.learn.face_corpus import CLASSES, VOTES, FaceCorpus, load_faces, without_repeats
from affectome.media import framed
from affectome.media.face_detection import open_tflite
from affectome.perceive.face_encoder import Seen, expression_face
from arguments import RESULTS
from result_rows import SEED, Results

PEER = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def crops(corpus: FaceCorpus) -> NDArray[np.uint8]:
    """The faces as the reader of cut-out faces gets them."""
    return np.stack([framed(np.repeat(face[:, :, None], 3, axis=2)) for face in corpus.pictures])


def peer_classes(path: Path, corpus: FaceCorpus) -> NDArray[np.int64]:
    """Positions in ``fer7`` that the peer gives."""
    network = open_tflite(path.read_bytes())
    names = load_taxonomy(CLASSES).labels
    places = np.array([names.index(name) for name in PEER])
    found = []
    for face in corpus.pictures:
        large = np.kron(face, np.ones((4, 4)))[:192:3, :192:3]  # 64 x 64
        network.set_tensor(0, ((large / 255 - 0.5) * 2).astype(np.float32)[None, :, :, None])
        network.invoke()
        found.append(int(places[network.get_tensor(network.get_output_details()[0]["index"])[0].argmax()]))
    return np.array(found)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("AFFECTOME_DATA")
    options.add_argument(
        "--data", type=Path, default=data and Path(data), required=not data, help="folder of the corpora"
    )
    options.add_argument("--peer", type=Path, help="TFLite file of the peer")
    arguments = options.parse_args()
    corpus = load_faces(arguments.data)
    assert len(without_repeats(corpus).names) == len(corpus.names), "a test picture is in training"
    train, test = corpus.part("train"), corpus.part("test")
    readers = {name: ReaderOptions(taxonomy=name).open_face() for name in (VOTES, CLASSES)}
    opened = ReaderOptions(labels=load_taxonomy(VOTES).labels).open_face()
    seen: Seen = readers[VOTES].encoder.encode(np.stack([expression_face(crop, None) for crop in crops(test)]))
    results = Results()

    name = "FER+ test, 8 labels"
    p = readers[VOTES].read_out(seen)
    prior = np.tile(train.votes.mean(axis=0), (len(test.names), 1))
    shuffled = np.random.default_rng(SEED).permutation(p)
    placed = opened.read_out(seen)
    for predictor, each in (
        ("mean of the training votes", prior),
        ("face-expression, faces in another order", shuffled),
        ("face-expression", p),
        ("face-expression, open vocabulary", placed),
    ):
        results.add(name, predictor, "accuracy", accuracy, truth=test.majority, prediction=each.argmax(axis=1))
        results.add(name, predictor, "KL", kl, truth=test.votes, probability=each)
    for metric, function in (("UAR", uar), ("macro-F1", f1)):
        results.add(name, "face-expression", metric, function, truth=test.majority, prediction=p.argmax(axis=1))
    results.add(name, "face-expression", "ECE", ece, truth=test.majority, probability=p)

    name = "FER2013 test, 7 labels"
    p = readers[CLASSES].read_out(seen)
    most = np.full(len(test.names), np.bincount(train.classes).argmax())
    results.add(name, "most frequent label", "accuracy", accuracy, truth=test.classes, prediction=most)
    if arguments.peer:
        peer = peer_classes(arguments.peer, test)
        results.add(name, "fer 25.10.3", "accuracy", accuracy, truth=test.classes, prediction=peer)
    results.add(name, "face-expression", "accuracy", accuracy, truth=test.classes, prediction=p.argmax(axis=1))

    found = {
        "models": {"face-expression": readers[VOTES].card.files["model.onnx"].sha256},
        "seed": SEED,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "results": results.rows,
    }
    (RESULTS / "face_accuracy.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
