"""Running a study: what it needs is there, what it used is recorded, and a crash is an error like any other."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from affectome.errors import AffectomeError, InputError, MissingExtraError, RunError
from affectome.models import default_model, weights_file
from affectome.pipeline.storage import storage_errors, write_bytes
from affectome.studies.results import Result, describe_machine, digest_file, digest_folder
from affectome.studies.study import Context, Outcome, Study, missing_data
from affectome.version import __version__

_EXTRA_PACKAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "face": ("PIL", "ai_edge_litert"),
        "study": ("sklearn", "scipy", "vaderSentiment", "textblob"),
        "train": ("torch", "transformers"),
        "voice": ("av", "soundfile", "soxr"),
    }
)


@dataclass(frozen=True)
class StudySettings:
    """How studies are run.

    Attributes:
        data: Folder that holds one subfolder a data set.
        out: Folder for results; caches and checkpoints go to ``work`` in it.
        base: Folder of a base encoder in Hugging Face layout.
        model: Folder or GGUF file of a language model, for studies that ask one beside a base encoder.
        seed: Seed.
        threads: Processor threads.
        quick: Run on a small part, to see that the study runs.
    """

    data: Path
    out: Path
    base: Path | None = None
    seed: int = 0
    threads: int = 2
    quick: bool = False
    model: Path | None = None

    def result_path(self, study: Study) -> Path:
        """Where the result of a study goes; a quick one never replaces a whole one."""
        return self.out / f"{study.id}{'-quick' if self.quick else ''}.json"


def run_study(study: Study, settings: StudySettings, report: Callable[[str], None] = lambda message: None) -> Result:
    """Run one study.

    Args:
        study: The study.
        settings: Data, seed, threads.
        report: Receives lines of progress.

    Returns:
        Its result, not yet written.

    Raises:
        MissingExtraError: An extra it needs is not installed.
        InputError: A data set it needs, or the base encoder, is not there.
        RunError: It crashed (code ``study_failed``), found nothing, or read data it does not name.
    """
    check_needs(study, settings)
    work = settings.out / "work" / settings.result_path(study).stem
    with storage_errors(work):
        work.mkdir(parents=True, exist_ok=True)
    context = Context(
        data=settings.data,
        seed=settings.seed,
        threads=settings.threads,
        base=settings.base,
        model=settings.model,
        work=work,
        quick=settings.quick,
        run=f"{study.id} seed {settings.seed}",
        report=report,
    )
    started = time.perf_counter()
    outcome = _guarded(study, context)
    seconds = time.perf_counter() - started
    reader = default_model("text-affect").card
    return Result(
        study=study.id,
        number=study.number,
        outcome=outcome,
        quick=settings.quick,
        command=_command(study, settings),
        seed=settings.seed,
        threads=settings.threads,
        seconds=round(seconds, 1),
        data={name: digest_folder(settings.data / name) for name in sorted(context.used)},
        vaults=[entry for vault in context.vaults for entry in vault.record()],
        reader={"model": reader.versioned_id, "sha256": reader.files["model.onnx"].sha256},
        base=None
        if settings.base is None
        else {"name": settings.base.name, "sha256": digest_file(_weights(settings.base))},
        machine=describe_machine(),
        affectome=__version__,
    )


def check_needs(study: Study, settings: StudySettings) -> None:
    """Refuse a study whose needs are not met, before anything is computed.

    Raises:
        MissingExtraError: An extra it needs is not installed.
        InputError: A data set it needs, or the base encoder, is not there.
    """
    for extra in study.extras:
        for package in _EXTRA_PACKAGES[extra]:
            if find_spec(package) is None:
                raise MissingExtraError.for_extra(extra, package)
    if absent := [name for name in study.data if not (settings.data / name).is_dir()]:
        raise missing_data(absent, settings.data)
    for given in (settings.base, settings.model):
        if given is not None:
            _weights(given)


def _weights(base: Path) -> Path:
    if found := weights_file(base):
        return found
    raise InputError(
        f"The base {str(base)!r} has neither a model.safetensors nor one GGUF file.",
        code="missing_base",
        value=base,
        next_step="Run: affectome models pull minilm (smollm2 for studies of language models), and give the folder "
        "with --base.",
    )


def _guarded(study: Study, context: Context) -> Outcome:
    try:
        outcome = study.run(context)
    except AffectomeError:
        raise
    except Exception as error:
        trace = context.work / "crash.txt"
        write_bytes(trace, traceback.format_exc().encode(errors="replace"))
        raise RunError(
            f"The study {study.id!r} crashed: {type(error).__name__}: {error}.",
            code="study_failed",
            value=study.id,
            next_step=f"Where it happened is in {trace}.",
        ) from error
    if not outcome.tables or not outcome.claims:
        raise RunError(
            f"The study {study.id!r} has no {'claims' if outcome.tables else 'tables'}.",
            code="empty_outcome",
            value=study.id,
            next_step="A study ends with at least one table and one claim.",
        )
    if undeclared := sorted(context.used - set(study.data)):
        raise RunError(
            f"The study {study.id!r} read data that it does not name.",
            code="undeclared_data",
            value=undeclared[0],
            allowed=study.data,
            next_step="Add the folder to the data of the study.",
        )
    return outcome


def _command(study: Study, settings: StudySettings) -> str:
    """The command without the paths of one machine."""
    words = ["affectome study run", study.id, "--data DIR"]
    words += ["--base DIR"] if settings.base else []
    words += ["--model DIR"] if settings.model else []
    words += [f"--seed {settings.seed}"] if settings.seed else []
    words += ["--quick"] if settings.quick else []
    return " ".join(words)
