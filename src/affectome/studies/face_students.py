"""Small networks of FER+ faces, trained alike but for what a study compares, and what they say of faces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import Interval, assert_disjoint, bootstrap_mean
from affectome.evaluate.guards import Part
from affectome.studies.comparing import divergences
from affectome.studies.study import Context

if TYPE_CHECKING:
    from affectome.learn.face_corpus import FaceCorpus
    from affectome.learn.face_model import FaceAffectModel
    from affectome.learn.prototypes import Prototypes
    from affectome.perceive import TextReader

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FACES = "fer2013plus"
_RECIPE = Path(__file__).parent / "data" / "face_students.toml"
_QUICK_STEPS, _QUICK_FACES = 4, 300
_BATCH = 256
_ALLOWED = 1.01  # times the divergence of plain training, on development faces, that a further loss may cost


class Sight(NamedTuple):
    """What a network says of faces.

    Attributes:
        probability: (n, 8) of ``ferplus8``.
        features: (n, width) unit vectors of its last layer.
    """

    probability: Floats
    features: Floats


class FaceStudents:
    """FER+ and the networks that one study trains on it.

    Args:
        context: Of the study. Each network is kept in its folder of work, step by step.

    Attributes:
        words: The text reader whose affect space the networks share.
        train: Training faces; none of them occurs in another part.
        dev: Development faces.
    """

    def __init__(self, context: Context) -> None:
        from affectome.learn.face_corpus import load_faces
        from affectome.learn.face_recipe import load_face_recipe
        from affectome.learn.face_training import label_anchors
        from affectome.models import default_model
        from affectome.perceive import TextReader

        context.folder(FACES)
        self._context = context
        self.words: TextReader = TextReader(default_model("text-affect"), threads=context.threads)
        self._anchors = label_anchors(self.words)
        self._recipe = load_face_recipe(_RECIPE)
        corpus = load_faces(context.data)
        parts = {name: corpus.part(name) for name in ("train", "dev", "test")}
        if context.quick:
            parts = {name: part.at(np.arange(min(_QUICK_FACES, len(part.names)))) for name, part in parts.items()}
            self._recipe = replace(self._recipe, steps=_QUICK_STEPS)
        assert_disjoint(**{name: Part(rows=part.names) for name, part in parts.items()})
        self.train: FaceCorpus = parts["train"]
        self.dev: FaceCorpus = parts["dev"]
        self._test: FaceCorpus = parts["test"]
        context.note(f"{len(corpus.names):,} faces")

    def learn(
        self,
        name: str,
        seed: int,
        *,
        votes: Floats | Array | None = None,
        toward: Prototypes | None = None,
        conflicts: Mapping[tuple[str, str], float] | None = None,
        **changes: float,
    ) -> FaceAffectModel:
        """Train one network, or take it from the folder of work.

        Args:
            name: Of the network, lower-case words with hyphens.
            seed: Of its first weights, the order of faces and their distortions.
            votes: (train, 8) targets; the shares of the votes when absent.
            toward: Prototypes, as in `FaceTrainer`.
            conflicts: As in `FaceTrainer`.
            changes: Settings of the recipe.
        """
        from affectome.learn.face_trainer import FaceTrainer

        corpus = self.train if votes is None else replace(self.train, votes=votes.astype(np.float32))
        named = f"{self._recipe.id}-{name}"
        trainer = FaceTrainer(
            replace(self._recipe, id=named, seed=seed, **changes),  # type: ignore[arg-type]
            corpus,
            anchors=self._anchors,
            prototypes=toward,
            out=self._context.work / f"{named}-{seed}",
            threads=self._context.threads,
            **({} if conflicts is None else {"conflicts": conflicts}),
        )
        model = trainer.train()
        self._context.note(f"{name}, seed {seed}")
        return model

    def largest_weight(self, plain: FaceAffectModel, weights: Sequence[float], learn: _Learn) -> float:
        """The largest of rising weights of a loss up to which none costs much divergence on development faces.

        Args:
            plain: A network without the loss.
            weights: Rising.
            learn: From a weight to a network with the loss.

        Returns:
            The weight; 0 if the first one costs too much.
        """
        allowed, chosen = _ALLOWED * self._cost(plain), 0.0
        for weight in weights:
            if self._cost(learn(weight)) > allowed:
                break
            chosen = weight
        return chosen

    def open_test(self) -> FaceCorpus:
        """The test faces, for the only time."""
        vault = self._context.vault({"FER+ test": np.arange(len(self._test.names))})
        return self._test.at(vault.open("FER+ test", purpose="comparison of networks"))

    def _cost(self, model: FaceAffectModel) -> float:
        return float(divergences(self.dev.votes, see_faces(model, self.dev).probability).mean())


_Learn = Callable[[float], "FaceAffectModel"]


def see_faces(model: FaceAffectModel, faces: FaceCorpus) -> Sight:
    """Show faces to a network, as they are."""
    import torch
    from torch.nn.functional import normalize

    from affectome.learn.face_corpus import VOTES
    from affectome.learn.face_trainer import standardised

    shares, features = [], []
    with torch.inference_mode():
        for start in range(0, len(faces.pictures), _BATCH):
            seen = model.features(standardised(torch.from_numpy(faces.pictures[start : start + _BATCH])))
            shares.append(model.label_logits(seen, VOTES).double().softmax(1))
            features.append(normalize(seen, dim=1).double())
    return Sight(torch.cat(shares).numpy(), torch.cat(features).numpy())


def over_networks(values: Iterable[NDArray[Any]], seed: int) -> Interval:
    """Mean over faces and networks of a value (n,) of each face, with the interval for other faces."""
    return bootstrap_mean(np.mean(list(values), axis=0), seed=seed)
