import numpy as np
import pytest

from affectome.errors import ModelError, UsageError
from affectome.media import SpeakerEncoder, SpeakerTurns, Stretch, TurnRules
from affectome.media.speaker_turns import group_voices


def voices(*people, spread=0.05, seed=0, size=32):
    """Unit vectors of people, each near their own axis."""
    noise = np.random.default_rng(seed).normal(scale=spread, size=(len(people), size))
    vectors = np.eye(size)[list(people)] + noise
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_voices_that_are_alike_are_one_speaker():
    people = [3, 3, 5, 3, 0, 5, 0, 0]
    assert group_voices(voices(*people), [2.0] * 8, TurnRules()).tolist() == [0, 0, 1, 0, 2, 1, 2, 2]


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_a_given_number_of_speakers(count):
    found = group_voices(voices(3, 3, 5, 3, 0, 5, 0, 0), [2.0] * 8, TurnRules(speakers=count))
    assert len(set(found.tolist())) == count


def test_more_speakers_than_stretches():
    assert group_voices(voices(1, 2), [2.0, 2.0], TurnRules(speakers=5)).tolist() == [0, 1]


def test_short_stretches_join_the_nearest():
    vectors = voices(1, 2, 1, 2)
    vectors[2:] = voices(1, 2, spread=0.3)
    assert group_voices(vectors, [2.0, 2.0, 0.4, 0.4], TurnRules()).tolist() == [0, 1, 0, 1]
    assert group_voices(voices(1, 1, 2), [0.4, 0.4, 0.4], TurnRules()).tolist() == [0, 0, 1]


def test_long_recordings_are_grouped_by_a_part_of_them():
    people = np.random.default_rng(1).integers(0, 3, 400)
    found = group_voices(voices(*people), [2.0] * 400, TurnRules(most_stretches=50))
    assert len({(a, b) for a, b in zip(people.tolist(), found.tolist(), strict=True)}) == 3


def test_no_number_of_speakers_below_one():
    with pytest.raises(UsageError) as caught:
        TurnRules(speakers=0)
    assert caught.value.code == "bad_speakers"


class Pitches:
    """Tells tones of different pitch apart, and notes how much sound it got at once."""

    digest = "0"

    def __init__(self):
        self.most = 0

    def encode(self, sounds):
        self.most = max(self.most, sum(map(len, sounds)))
        spectra = np.stack([np.abs(np.fft.rfft(sound[:8000])) for sound in sounds])
        return (spectra / np.linalg.norm(spectra, axis=1, keepdims=True)).astype(np.float32)


def test_speakers_are_named_in_the_order_in_which_they_speak(sounds):
    tones = [sounds.tone(2, hertz=hertz) for hertz in (300, 200, 300, 100)]
    turns = SpeakerTurns(Pitches())
    assert turns.of(Stretch(k * 40_000, tone) for k, tone in enumerate(tones)) == ["S1", "S2", "S1", "S3"]
    assert turns.of([]) == []


def test_little_sound_is_held_at_once(sounds):
    encoder = Pitches()
    assert set(SpeakerTurns(encoder).of(Stretch(k * 160_000, sounds.tone(10)) for k in range(30))) == {"S1"}
    assert encoder.most <= 70 * 16_000


@pytest.fixture(scope="module")
def weights():
    from affectome.models import locate

    try:
        return locate("speaker-encoder")
    except ModelError as error:
        pytest.skip(str(error))


def test_the_encoder_gives_unit_vectors(weights, sounds):
    encoder = SpeakerEncoder(weights)
    assert len(encoder.digest) == 64
    parts = [sounds.syllables(3), sounds.syllables(3, seed=1), sounds.silence(1), np.zeros(1, np.float32)]
    vectors = encoder.encode(parts)
    assert vectors.shape == (4, 256)
    assert vectors.min() >= 0
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    assert encoder.encode(parts[1:2]) == pytest.approx(vectors[1:2], abs=1e-5)
    assert vectors[0] @ vectors[1] > 0.9
    assert encoder.encode([]).shape == (0, 256)


@pytest.mark.train
def test_the_encoder_is_the_recurrent_network_its_weights_are_of(weights):
    torch = pytest.importorskip("torch")
    encoder = SpeakerEncoder(weights)
    network = torch.nn.LSTM(40, 256, 3, batch_first=True)
    with torch.no_grad():
        for number, (into, back, bias) in enumerate(encoder._layers):
            getattr(network, f"weight_ih_l{number}").copy_(torch.tensor(into.T))
            getattr(network, f"weight_hh_l{number}").copy_(torch.tensor(back.T))
            getattr(network, f"bias_ih_l{number}").copy_(torch.tensor(bias))
            getattr(network, f"bias_hh_l{number}").zero_()
        windows = np.random.default_rng(0).gamma(1.0, 0.01, (3, 160, 40)).astype(np.float32)
        last = network(torch.tensor(windows))[1][0][-1].numpy()
    raw = np.maximum(last @ encoder._matrix + encoder._bias, 0)
    assert encoder._directions(windows) == pytest.approx(raw / np.linalg.norm(raw, axis=1, keepdims=True), abs=1e-5)


def test_other_weights_are_refused(tmp_path):
    (tmp_path / "pretrained.pt").write_bytes(bytes(100))
    with pytest.raises(ModelError) as caught:
        SpeakerEncoder(tmp_path)
    assert caught.value.code == "size_mismatch"
