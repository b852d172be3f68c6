"""What each layer of a Whisper encoder keeps of voices, and which layer says most about feelings.

A clip is the mean and the standard deviation over time of a layer's frames. The layer is chosen on development
speakers: by the saliency of a linear probe over all layers at once, or by a probe of each layer alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.studies.study import Context

if TYPE_CHECKING:
    from affectome.learn.heads import Head

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LAYERS = 6  # of Whisper base
_STRENGTHS = (1.0, 0.3, 0.1)
_TOLERANCE = 1e-6


class LayerReader:
    """Means and standard deviations of the frames after each layer, kept in the study's folder of work.

    Args:
        context: Of the study; its base is Whisper base in Hugging Face layout.

    Raises:
        UsageError: No base was given.
        InputError: There is no Whisper encoder with six layers in it.
    """

    def __init__(self, context: Context) -> None:
        import torch

        from affectome.learn.voice_model import VoiceEncoder
        from affectome.studies.results import digest_file

        base = context.base_encoder()
        self._context = context
        self._encoder = VoiceEncoder.from_whisper(base, LAYERS, 0).eval()
        self._of_base = digest_file(base / "model.safetensors")[:12]
        torch.set_num_threads(context.threads)

    def read(self, name: str, sounds: Callable[[], Sequence[Array]]) -> Array:
        """Features (n, layers + 1, 2 * width) of clips, those of the convolutions first.

        Args:
            name: Of the clips, under which they are kept.
            sounds: Gives the clips; called only if they are not kept yet.
        """
        from affectome.pipeline.storage import replacing

        path = self._context.work / f"layers-{name}-{self._of_base}.npy"
        if not path.exists():
            found = self._measure(sounds())
            with replacing(path, path.with_suffix(".partial")) as partial, partial.open("wb") as stream:
                np.save(stream, found)
            self._context.note(f"layers of {name}: {len(found):,} clips")
        return np.asarray(np.load(path))

    def _measure(self, sounds: Sequence[Array]) -> Array:
        import torch

        from affectome.perceive.log_mel import log_mel

        rows = []
        for sound in sounds:
            mel = torch.from_numpy(log_mel(sound))[None]
            with torch.inference_mode():
                first, mask = self._encoder.lower(mel, torch.tensor([mel.shape[2]]))
                states = torch.stack(self._encoder.upper(first, mask))[:, 0]
            spread, mean = torch.std_mean(states, dim=1, correction=0)
            rows.append(torch.cat([mean, spread], dim=1).numpy())
        return np.stack(rows)


class LayerChoice(NamedTuple):
    """How much each layer says about feelings, on development speakers.

    Attributes:
        saliency: Share (layers + 1,) of the saliency of a probe over all layers that falls on each one.
        gain: Unweighted average recall (layers + 1,) of a probe of each layer alone.
        strengths: Penalty (layers + 1,) of that probe with the least loss.
        order: Features (2 * width,) of the most salient layer, the most salient first.
    """

    saliency: Floats
    gain: Floats
    strengths: Floats
    order: Ints

    @property
    def salient(self) -> int:
        """The most salient layer."""
        return int(self.saliency.argmax())

    @property
    def best(self) -> int:
        """The layer whose own probe is the best."""
        return int(self.gain.argmax())


def choose_layer(train: Array, train_labels: Ints, dev: Array, dev_labels: Ints) -> LayerChoice:
    """Choose a layer on development clips, of other speakers than the training clips.

    Args:
        train: Features (n, layers + 1, 2 * width).
        train_labels: ``(n,)`` class numbers.
        dev: Features (m, layers + 1, 2 * width).
        dev_labels: ``(m,)``.
    """
    from affectome.evaluate import uar

    classes = int(train_labels.max()) + 1
    names = tuple(map(str, range(classes)))
    truth = np.eye(classes)[dev_labels]
    gain, strengths = [], []
    for layer in range(train.shape[1]):
        head, strength = _probe(train[:, layer], np.eye(classes)[train_labels], dev[:, layer], truth)
        said = head.predict(dev[:, layer]).argmax(axis=1)
        gain.append(float(uar(truth=dev_labels, prediction=said, labels=names)))
        strengths.append(strength)
    flat = dev.reshape(len(dev), -1)
    head, _ = _probe(train.reshape(len(train), -1), np.eye(classes)[train_labels], flat, truth)
    by_feature = saliency(head, flat, truth).reshape(train.shape[1:])
    of_layers = by_feature.sum(axis=1) / by_feature.sum()
    order = np.argsort(-by_feature[int(of_layers.argmax())], kind="stable")
    return LayerChoice(of_layers, np.array(gain), np.array(strengths), order)


def saliency(head: Head, features: Array, targets: Floats) -> Floats:
    """How much each feature moves the loss: the mean over clips of the size of gradient times activation.

    Activations are measured from the training mean in standard deviations, so that the unit of a layer does not count.

    Args:
        head: A choice among labels.
        features: ``(n, d)``.
        targets: ``(n, k)`` rows that sum to 1.

    Returns:
        ``(d,)``, 0 or more.
    """
    activation = (features.astype(np.float64) - head.mean) / head.scale
    gradient = (head.predict(features) - targets) @ head.matrix.T.astype(np.float64)
    return np.asarray(np.abs(gradient * activation).mean(axis=0))


def _probe(train: Array, train_targets: Floats, dev: Array, dev_targets: Floats) -> tuple[Head, float]:
    """The head with the least loss on development clips, and its penalty.

    There are more features than clips. So the fit runs on the clips' coordinates in the space that they span, which
    gives the same optimum: a turn changes neither scores nor the size of the matrix.
    """
    from affectome.learn.heads import Head
    from affectome.learn.penalised import Rows, solve

    n = len(train)
    mean = train.mean(axis=0, dtype=np.float64)
    spread = train.std(axis=0, dtype=np.float64)
    scale = np.where(spread > 0, spread, 1)
    left, size, turn = np.linalg.svd((train - mean) / scale, full_matrices=False)
    rows = Rows(left * size, train_targets, np.ones_like(train_targets), np.full(n, 1 / n), np.arange(n))

    def loss(head: Head) -> float:
        return -float((dev_targets * np.log(np.maximum(head.predict(dev), 1e-12))).sum(axis=1).mean())

    heads = []
    for strength, (matrix, bias) in zip(_STRENGTHS, solve(rows, "choice", _STRENGTHS, _TOLERANCE), strict=True):
        arrays = (np.asarray(each, np.float32) for each in (mean, scale, turn.T @ matrix, bias))
        heads.append((Head("choice", *arrays), strength))
    return min(heads, key=lambda pair: loss(pair[0]))
