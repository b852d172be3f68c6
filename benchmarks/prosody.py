"""Our prosody beside openSMILE's eGeMAPSv02: correlation feature by feature, and speed, on the same clips in one run.

Run: OMP_NUM_THREADS=1 python benchmarks/prosody.py --data DIR

The clips are 30 each of RAVDESS and EMO-DB, evenly spread over the sorted files. openSMILE is not free for commercial
use and therefore a peer for this comparison, no dependency; install it yourself: pip install opensmile. Both get the
samples in memory, one clip after the other, in one thread.
"""

from __future__ import annotations

import json
import os
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from affectome.perceive import prosody
from arguments import RESULTS, parser

MEAN, VARIATION = "_amean", "_stddevNorm"
TONE = "F0semitoneFrom27.5Hz_sma3nz"
PEERS = {  # ours: theirs; a second name is a factor that turns their normalised deviation back into a deviation
    "f0_mean_semitones": [TONE + MEAN],
    "f0_median_semitones": [TONE + "_percentile50.0"],
    "f0_p20_semitones": [TONE + "_percentile20.0"],
    "f0_p80_semitones": [TONE + "_percentile80.0"],
    "f0_range_semitones": [TONE + "_pctlrange0-2"],
    "f0_sd_semitones": [TONE + VARIATION, TONE + MEAN],
    "f0_rise_semitones": [TONE + "_meanRisingSlope"],
    "voiced_rate": ["VoicedSegmentsPerSec"],
    "voiced_mean_seconds": ["MeanVoicedSegmentLengthSec"],
    "level_dbfs": ["equivalentSoundLevel_dBp"],
    "loudness_mean": ["loudness_sma3" + MEAN],
    "loudness_p20": ["loudness_sma3_percentile20.0"],
    "loudness_p50": ["loudness_sma3_percentile50.0"],
    "loudness_p80": ["loudness_sma3_percentile80.0"],
    "loudness_range": ["loudness_sma3_pctlrange0-2"],
    "loudness_sd": ["loudness_sma3" + VARIATION, "loudness_sma3" + MEAN],
    "flux_mean": ["spectralFlux_sma3" + MEAN],
    "flux_voiced": ["spectralFluxV_sma3nz" + MEAN],
    "flux_unvoiced": ["spectralFluxUV_sma3nz" + MEAN],
    "syllable_rate": ["loudnessPeaksPerSec"],
    "jitter_mean": ["jitterLocal_sma3nz" + MEAN],
    "shimmer_mean_db": ["shimmerLocaldB_sma3nz" + MEAN],
    "hnr_mean_db": ["HNRdBACF_sma3nz" + MEAN],
    "h1_h2_db": ["logRelF0-H1-H2_sma3nz" + MEAN],
    "alpha_ratio_voiced": ["alphaRatioV_sma3nz" + MEAN],
    "alpha_ratio_unvoiced": ["alphaRatioUV_sma3nz" + MEAN],
    "hammarberg_voiced": ["hammarbergIndexV_sma3nz" + MEAN],
    "hammarberg_unvoiced": ["hammarbergIndexUV_sma3nz" + MEAN],
    "slope_0_500_voiced": ["slopeV0-500_sma3nz" + MEAN],
    "slope_0_500_unvoiced": ["slopeUV0-500_sma3nz" + MEAN],
    "slope_500_1500_voiced": ["slopeV500-1500_sma3nz" + MEAN],
    "slope_500_1500_unvoiced": ["slopeUV500-1500_sma3nz" + MEAN],
    **{f"f{i}_hz": [f"F{i}frequency_sma3nz" + MEAN] for i in (1, 2, 3)},
    **{f"mfcc{i}_mean": [f"mfcc{i}_sma3" + MEAN] for i in (1, 2, 3, 4)},
    **{f"mfcc{i}_sd": [f"mfcc{i}_sma3" + VARIATION, f"mfcc{i}_sma3" + MEAN] for i in (1, 2, 3, 4)},
}


def clips(data: Path, count: int) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    chosen: list[Path] = []
    for corpus in ("ravdess_speech", "emodb"):
        found = sorted((data / corpus / "audio").glob("*.ogg"))
        chosen += [found[i] for i in np.linspace(0, len(found) - 1, count // 2).round().astype(int)]
    return [soundfile.read(path, dtype="float32")[0] for path in chosen]


def timed(measure: Callable[[Any], Any], sounds: list[Any]) -> tuple[list[Any], dict[str, float]]:
    """What a function makes of each clip, and its speed in the better of two passes."""
    seconds, best, busy = sum(map(len, sounds)) / 16_000, np.inf, 0.0
    measure(sounds[0])
    for _ in range(2):
        wall, processor = time.perf_counter(), time.process_time()
        values = [measure(sound) for sound in sounds]
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        if processor < best:
            best, busy = processor, processor / wall
    return values, {"times_real_time_a_core": round(seconds / best, 1), "cores_busy": round(busy, 2)}


def ranks(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Ranks with ties at their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def agreement(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> dict[str, Any]:
    both = np.isfinite(ours) & np.isfinite(theirs)
    ours, theirs = ours[both], theirs[both]
    rng = np.random.default_rng(0)
    drawn = [np.corrcoef(ours[i], theirs[i])[0, 1] for i in rng.integers(0, len(ours), (2000, len(ours)))]
    return {
        "pearson": round(float(np.corrcoef(ours, theirs)[0, 1]), 3),
        "interval": [round(float(end), 3) for end in np.nanpercentile(drawn, (2.5, 97.5))],
        "spearman": round(float(np.corrcoef(ranks(ours), ranks(theirs))[0, 1]), 3),
        "clips": int(both.sum()),
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--clips", type=int, default=60)
    options.add_argument("--out", type=Path, default=RESULTS / "prosody.json")
    arguments = options.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import opensmile

        peer = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
        sounds = clips(arguments.data, arguments.clips)
        theirs, their_speed = timed(lambda sound: peer.process_signal(sound, 16_000).iloc[0].to_dict(), sounds)
    ours, our_speed = timed(prosody.measure_prosody, sounds)
    table: dict[str, Any] = {}
    for name, columns in PEERS.items():
        expected = np.prod([[row[column] for row in theirs] for column in columns], axis=0)
        table[name] = agreement(
            np.array([row[name] for row in ours]), np.abs(expected) if len(columns) > 1 else expected
        )
        print(f"{name:28}", table[name], flush=True)
    result = {
        "machine": f"{os.cpu_count()} processors, {platform.machine()}",
        "clips": len(sounds),
        "seconds": round(sum(map(len, sounds)) / 16_000, 1),
        "features": len(prosody.prosody_features()),
        "affectome": our_speed,
        "opensmile": {"version": opensmile.__version__, "features": len(theirs[0]), **their_speed},
        "agreement": table,
    }
    print(our_speed, their_speed)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
