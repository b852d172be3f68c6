"""The voice model that is trained: the lower layers of a Whisper encoder, pooled into a point of the affect space.

Needs the ``train`` extra (torch).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.functional import gelu, normalize, scaled_dot_product_attention

from affectome.errors import InputError
from affectome.perceive.log_mel import BANDS

DIMENSIONS = ("valence", "arousal", "dominance")
_POSITIONS = 1500
_PREFIX = "model.encoder."


class VoiceLayer(nn.Module):
    """One encoder layer: attention and a wide layer, each after a normalisation and beside a short cut.

    Args:
        width: Size of a frame vector.
        heads: Attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.self_attn = nn.ModuleDict(
            {
                "q_proj": nn.Linear(width, width),
                "k_proj": nn.Linear(width, width, bias=False),
                "v_proj": nn.Linear(width, width),
                "out_proj": nn.Linear(width, width),
            }
        )
        self.final_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """From frames (n, t, width) and the mask (n, t) of those that are there to frames (n, t, width)."""
        n, t, width = x.shape
        at = self.self_attn
        normed = self.self_attn_layer_norm(x)
        query, key, value = (
            at[name](normed).view(n, t, self.heads, -1).transpose(1, 2) for name in ("q_proj", "k_proj", "v_proj")
        )
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        x = x + at["out_proj"](mixed.transpose(1, 2).reshape(n, t, width))
        hidden: Tensor = x + self.fc2(gelu(self.fc1(self.final_layer_norm(x))))
        return hidden


class VoiceEncoder(nn.Module):
    """Two convolutions and the first layers of a Whisper encoder, over as many frames as there are.

    Args:
        width: Size of a frame vector.
        heads: Attention heads.
        layers: Layers that are kept.
        frozen: Layers, from the lowest on, that keep the weights they have; the convolutions always do.
    """

    def __init__(self, width: int = 512, heads: int = 8, layers: int = 4, frozen: int = 2) -> None:
        super().__init__()
        self.width, self.frozen = width, frozen
        self.conv1 = nn.Conv1d(BANDS, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.positions = nn.Parameter(torch.zeros(_POSITIONS, width))
        self.layers = nn.ModuleList(VoiceLayer(width, heads) for _ in range(layers))
        for part in (self.conv1, self.conv2, *self.layers[:frozen]):
            part.requires_grad_(False)
        self.positions.requires_grad_(False)

    @classmethod
    def from_whisper(cls, base: Path, layers: int, frozen: int) -> VoiceEncoder:
        """The lower layers of a pretrained Whisper.

        Args:
            base: Folder with ``model.safetensors`` in Hugging Face layout.
            layers: Layers to keep.
            frozen: How many of them are not trained.

        Raises:
            InputError: The file is missing or holds no Whisper encoder with that many layers.
        """
        try:
            with safe_open(base / "model.safetensors", "pt") as stored:
                names = [name for name in stored.keys() if name.startswith(_PREFIX)]  # noqa: SIM118 - no mapping
                weights = {name.removeprefix(_PREFIX): stored.get_tensor(name).float() for name in names}
        except (OSError, SafetensorError) as reason:
            raise _unfit(base, str(reason)) from reason
        weights["positions"] = weights.pop("embed_positions.weight", torch.zeros(0))
        try:
            width = weights["conv1.weight"].shape[0]
            encoder = cls(width, width // 64, layers, frozen)
            encoder.load_state_dict({name: weights[name] for name in encoder.state_dict()})
        except (KeyError, RuntimeError) as reason:
            raise _unfit(base, str(reason)) from reason
        return encoder

    def lower(self, features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames after the layers that are not trained.

        Args:
            features: Log-mel energies (n, 80, frames), an even number of frames.
            frames: Frames (n,) that each row has; those after them are padding.

        Returns:
            Frames (n, frames / 2, width), and the mask (n, frames / 2) of those that are there.
        """
        inside = torch.arange(features.shape[2]) < frames[:, None]
        x = gelu(self.conv1(features * inside[:, None])) * inside[:, None]
        x = gelu(self.conv2(x)).transpose(1, 2)
        mask = inside[:, ::2]
        x = x + self.positions[: x.shape[1]]
        for layer in self.layers[: self.frozen]:
            x = layer(x, mask)
        return x, mask

    def upper(self, x: Tensor, mask: Tensor) -> list[Tensor]:
        """What `lower` gives, and the frames (n, t, width) after each layer that is trained."""
        found = [x]
        for layer in self.layers[self.frozen :]:
            found.append(layer(found[-1], mask))
        return found


class VoiceAffectModel(nn.Module):
    """Voice encoder with attentive pooling whose unit vectors lie in the affect space, and heads beside them.

    The frames of the upper layers are mixed with learned shares, weighted by attention (Okabe et al. 2018, arXiv
    1803.10963) and reduced to their means and standard deviations. A unit vector ``z`` of them has the score
    ``scale * z.anchor + bias`` for a word; the heads are linear.

    Beside it stands the lowest trained layer as it was before training. What it gives carries over to other recordings
    and languages better than what was trained; the read-outs on its means and standard deviations, zero at first, are
    fitted after training and added to the others.

    Args:
        encoder: The encoder.
        anchors: For each vocabulary its label anchors (labels, space), unit vectors of the text reader.
        labels: For each vocabulary its labels, in the order of the anchors.
    """

    def __init__(
        self, encoder: VoiceEncoder, anchors: Mapping[str, Tensor], labels: Mapping[str, Sequence[str]]
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.labels = {name: tuple(each) for name, each in labels.items()}
        width, space = encoder.width, next(iter(anchors.values())).shape[1]
        self.mix = nn.Parameter(torch.zeros(len(encoder.layers) - encoder.frozen + 1))
        self.attention = nn.Sequential(nn.Linear(width, 128), nn.Tanh(), nn.Linear(128, 1))
        self.pooled_norm = nn.LayerNorm(2 * width)
        self.dropout = nn.Dropout(0.3)
        self.place = nn.Linear(2 * width, space)
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.heads = nn.ModuleDict({name: nn.Linear(2 * width, len(each)) for name, each in self.labels.items()})
        self.biases = nn.ParameterDict({name: torch.zeros(len(each)) for name, each in anchors.items()})
        self.measure_head = nn.Linear(2 * width, len(DIMENSIONS))
        self.spread_head = nn.Linear(2 * width, len(DIMENSIONS))
        self.strength_head = nn.Linear(2 * width, 1)
        self.still = copy.deepcopy(encoder.layers[encoder.frozen])
        self.still_heads = nn.ModuleDict({name: nn.Linear(2 * width, len(each)) for name, each in self.labels.items()})
        self.still_place = nn.Linear(2 * width, space)
        for part in (self.still, self.still_heads, self.still_place):
            part.requires_grad_(False)
        for part in (self.still_heads, self.still_place):
            for value in part.parameters():
                nn.init.zeros_(value)
        for name, each in anchors.items():
            self.register_buffer(f"anchors_{name}", normalize(each, dim=-1), persistent=False)
        nn.init.constant_(self.spread_head.bias, -2.0)

    def pool(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Weighted means and standard deviations (n, 2 * width) over time of what `VoiceEncoder.lower` gives."""
        states = torch.stack(self.encoder.upper(frames, mask)).float()
        mixed = torch.einsum("lntw,l->ntw", states, self.mix.softmax(0))
        weight = self.attention(mixed).squeeze(-1).masked_fill(~mask, -1e4).softmax(1).unsqueeze(-1)
        mean = (weight * mixed).sum(1)
        spread = ((weight * (mixed - mean[:, None]) ** 2).sum(1) + 1e-6).sqrt()
        pooled: Tensor = self.pooled_norm(torch.cat([mean, spread], 1))
        return pooled

    def still_features(self, frames: Tensor, mask: Tensor) -> Tensor:
        """Means and standard deviations (n, 2 * width) over time of the layer that was not trained."""
        x = self.still(frames, mask).float()
        share = mask.unsqueeze(-1) / mask.sum(1)[:, None, None]
        mean = (share * x).sum(1)
        return torch.cat([mean, ((share * (x - mean[:, None]) ** 2).sum(1) + 1e-6).sqrt()], 1)

    def vectors(self, pooled: Tensor, still: Tensor | None = None) -> Tensor:
        """Points (n, space) of the affect space, those of the still features added if there are any."""
        placed = normalize(self.place(pooled), dim=-1)
        return placed if still is None else normalize(placed + self.still_place(still), dim=-1)

    def label_logits(self, pooled: Tensor, vocabulary: str, still: Tensor | None = None) -> Tensor:
        """Logits (n, labels) of the direct head of a vocabulary, those of the still features added if there are any."""
        logits: Tensor = self.heads[vocabulary](pooled)
        return logits if still is None else logits + self.still_heads[vocabulary](still)

    def anchor_logits(self, vectors: Tensor, vocabulary: str) -> Tensor:
        """Logits (n, labels) of a vocabulary from points of the affect space."""
        anchors: Tensor = getattr(self, f"anchors_{vocabulary}")
        logits: Tensor = self.scale * vectors @ anchors.T + self.biases[vocabulary]
        return logits

    def measures(self, pooled: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Means and standard deviations (n, 3) of valence, arousal and dominance, and strength (n,) in [0, 1]."""
        spreads = nn.functional.softplus(self.spread_head(pooled)) + 0.01
        return torch.tanh(self.measure_head(pooled)), spreads, torch.sigmoid(self.strength_head(pooled)).squeeze(1)


def _unfit(base: Path, reason: str) -> InputError:
    return InputError(
        f"There is no Whisper encoder in {base}: {reason}.",
        code="bad_base_model",
        value=base,
        next_step="Give the folder of a Whisper model in Hugging Face layout, with model.safetensors.",
    )
