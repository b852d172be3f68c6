"""The endpoints that take a request and give an answer."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal

import fastapi
from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, Response

from affectome.affect import list_taxonomies, load_taxonomy
from affectome.api import Reading
from affectome.errors import RunError, UsageError
from affectome.media import part_inputs, split_sentences
from affectome.models import list_models
from affectome.server import schemas
from affectome.server.failures import PlainJSONResponse, refused
from affectome.server.jobs import Job
from affectome.server.purposes import check_purpose, intended_uses, rules
from affectome.server.results import MEDIA_TYPES, as_file, rows
from affectome.server.services import Services, services
from affectome.server.uploads import check_files, store_files

JobId = Annotated[str, fastapi.Path(pattern=r"^[0-9a-f]{32}$", examples=["5d1f0c5e8a5b4a4c9c5d5b8f6f0e9a11"])]
Form = Literal["json", "parquet", "csv", "jsonl", "html", "zip"]
_FAILURES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": schemas.Failure, "description": "The request is refused; the error says why and what to do"},
    "5XX": {"model": schemas.Failure, "description": "The server cannot do it now"},
}
_LISTS = ("modalities", "labels")
_MOST_FIELDS, _FIELD_BYTES = 40, 1 << 16
_MOST_ROWS = 10_000
_READ_AS = {"text": ("text",), "sound": ("voice",), "film": ("voice", "face", "fused"), "picture": ("face", "image")}

router = APIRouter(prefix="/v1", default_response_class=PlainJSONResponse, responses=_FAILURES)


@router.post("/text", response_model=schemas.Readings, tags=["text"])
async def read_text(request: Request, wanted: schemas.TextRequest) -> Response:
    """Read one text or several at once; they are read together with those of other callers."""
    own = services(request)
    texts = [wanted.text] if wanted.text is not None else wanted.texts or []
    size = sum(map(len, texts))
    if size > own.settings.text_characters:
        raise refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            UsageError(
                f"The texts have more than {own.settings.text_characters:,} characters together.",
                code="text_too_long",
                value=size,
                next_step="Send fewer at a time, or a file as a job.",
            ),
        )
    options = wanted.options(commercial=own.settings.commercial)
    pieces = [
        (index, start, end)
        for index, text in enumerate(texts)
        for start, end in (split_sentences(text) or [(0, len(text))] if wanted.sentences else [(0, len(text))])
    ]
    try:
        async with asyncio.timeout(own.settings.text_seconds):
            parts = [texts[index][start:end] for index, start, end in pieces]
            readings = [_plain(each) for each in await own.texts.read(parts, options)]
            if wanted.why:
                readings[0]["why"] = [each._asdict() for each in await own.texts.explain(texts[0], options)]
    except TimeoutError as error:
        raise refused(
            HTTPStatus.SERVICE_UNAVAILABLE,
            RunError("It could not be read in time.", code="too_slow", next_step="Try again, or send less at a time."),
            retry_after=2,
        ) from error
    if wanted.sentences:
        for reading, (index, start, end) in zip(readings, pieces, strict=True):
            reading |= {"index": index, "start": start, "end": end}
    return PlainJSONResponse({"readings": readings})


def _plain(reading: Reading) -> dict[str, Any]:
    return {**asdict(reading), "present": list(reading.present)}


@router.post(
    "/jobs",
    status_code=HTTPStatus.ACCEPTED,
    response_model=schemas.JobBody,
    openapi_extra={"requestBody": schemas.multipart(schemas.JobRequest)},
    tags=["jobs"],
)
async def send_job(request: Request) -> Response:
    """Send files to be read; what is a voice or a face needs a declared purpose."""
    own = services(request)
    if own.draining:
        raise refused(
            HTTPStatus.SERVICE_UNAVAILABLE,
            RunError("The server is being stopped.", code="stopping", next_step="Try again in a minute."),
            retry_after=60,
        )
    async with request.form(
        max_files=own.settings.files + 1, max_fields=_MOST_FIELDS, max_part_size=_FIELD_BYTES
    ) as form:
        files = [value for name, value in form.multi_items() if name == "files" and isinstance(value, UploadFile)]
        fields = {name: value for name, value in form.multi_items() if name != "files"}
        check_files(files, own.settings.files)
        wanted = _job_request(fields)
        job_id = secrets.token_hex(16)
        folder = own.settings.jobs_folder / job_id
        try:
            job = await _job(own, request.state.owner, job_id, wanted, files)
            full = await asyncio.to_thread(
                own.store.add, job, queued=own.settings.queued_jobs, kept=own.settings.jobs_a_key
            )
            if full:
                raise _full(full)
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise
    own.runner.look()
    return PlainJSONResponse(job.as_dict(), HTTPStatus.ACCEPTED, {"Location": f"/v1/jobs/{job_id}"})


def _job_request(fields: dict[str, UploadFile | str]) -> schemas.JobRequest:
    """The options of a job from the fields of a form, lists written with commas."""
    given: dict[str, Any] = dict(fields)
    for name in _LISTS:
        if isinstance(given.get(name), str):
            given[name] = [word.strip() for word in given[name].split(",") if word.strip()]
    try:
        return schemas.JobRequest.model_validate({name: value for name, value in given.items() if value != ""})
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False)) from error


async def _job(own: Services, owner: str, job_id: str, wanted: schemas.JobRequest, files: Sequence[UploadFile]) -> Job:
    """Store an upload and describe its job; refused if it may not be done."""
    reader = wanted.options(commercial=own.settings.commercial)
    if reader.taxonomy and not reader.labels:
        load_taxonomy(reader.taxonomy)  # says at once that it is not known
    inputs = wanted.inputs(transcribe=own.settings.transcribe)
    uploads = own.settings.jobs_folder / job_id / "uploads"
    names = await store_files(files, uploads)
    parts = await asyncio.to_thread(part_inputs, [uploads / name for name in names])
    held = [name for kind, found in parts.items() if found for name in _READ_AS[kind]]
    modalities = list(dict.fromkeys(wanted.modalities or held))
    check_purpose(modalities, wanted.purpose, wanted.ground)
    now = time.time()
    request = {
        "files": names,
        "modalities": modalities,
        "purpose": wanted.purpose,
        "ground": wanted.ground,
        "options": {
            "reader": asdict(reader),
            "inputs": asdict(inputs),
            "modalities": list(wanted.modalities),
            "report": wanted.report,
        },
    }
    return Job(id=job_id, owner=owner, request=request, created=now, expires=now + own.settings.keep_hours * 3600)


def _full(what: str) -> fastapi.HTTPException:
    if what == "queued":
        error = RunError("Too many jobs wait.", code="busy", next_step="Send it again in a few minutes.")
        return refused(HTTPStatus.TOO_MANY_REQUESTS, error, retry_after=60)
    kept = RunError(
        "Too many jobs are kept for this key.",
        code="too_many_jobs",
        next_step="Erase those that are of no use any more.",
    )
    return refused(HTTPStatus.TOO_MANY_REQUESTS, kept, retry_after=60)


@router.get("/jobs", response_model=schemas.JobList, tags=["jobs"])
async def list_jobs(request: Request) -> Response:
    """The jobs of this key, the newest first."""
    own = services(request)
    jobs = await asyncio.to_thread(own.store.jobs, request.state.owner)
    return PlainJSONResponse({"jobs": [job.as_dict() for job in jobs]})


@router.get("/jobs/{job_id}", response_model=schemas.JobBody, tags=["jobs"])
async def show_job(request: Request, job_id: JobId) -> Response:
    """Where a job stands."""
    return PlainJSONResponse((await _own_job(request, job_id)).as_dict())


@router.get(
    "/jobs/{job_id}/results",
    response_model=schemas.Rows,
    responses={200: {"content": {kind.split(";")[0]: {} for kind in MEDIA_TYPES.values()}}},
    tags=["jobs"],
)
async def show_results(
    request: Request,
    job_id: JobId,
    format: Form = "json",
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=_MOST_ROWS)] = 1000,
) -> Response:
    """The estimates, a part of them as JSON or all of them as a file, with the notice and the intended use."""
    own = services(request)
    job = await _own_job(request, job_id)
    if job.status != "finished":
        raise refused(
            HTTPStatus.CONFLICT,
            UsageError(
                f"The job is {job.status}, so there are no results.",
                code="no_results",
                value=job.status,
                next_step="Ask for the job until it is finished.",
            ),
        )
    folder = own.settings.jobs_folder / job_id / "results"
    if format == "json":
        return PlainJSONResponse(await asyncio.to_thread(rows, folder, job, offset, limit))
    path = await asyncio.to_thread(as_file, folder, job, format)
    name = "report.html" if format == "html" else "results.zip" if format == "zip" else f"estimates.{format}"
    headers = {"link": '</v1/purposes>; rel="terms-of-service"'}  # a table has no place for the notice
    if format == "html":
        headers["content-security-policy"] = "sandbox allow-scripts"
    return FileResponse(path, media_type=MEDIA_TYPES[format], filename=name, headers=headers)


@router.post("/jobs/{job_id}/cancel", response_model=schemas.JobBody, tags=["jobs"])
async def cancel_job(request: Request, job_id: JobId) -> Response:
    """Stop a job that has not ended; its upload is erased."""
    own = services(request)
    await _own_job(request, job_id)
    cancelled = await asyncio.to_thread(own.store.cancel, job_id, request.state.owner)
    if cancelled is not None and cancelled.status == "cancelled":
        await own.runner.stop(job_id)
        await asyncio.to_thread(shutil.rmtree, own.settings.jobs_folder / job_id, ignore_errors=True)
    return PlainJSONResponse((await _own_job(request, job_id)).as_dict())


@router.delete("/jobs/{job_id}", response_model=schemas.Erased, tags=["jobs"])
async def erase_job(request: Request, job_id: JobId) -> Response:
    """Stop a job and erase its upload, its results and its record."""
    await _own_job(request, job_id)
    return await _erase(request, job_id)


@router.delete("/jobs", response_model=schemas.Erased, tags=["jobs"])
async def erase_jobs(request: Request) -> Response:
    """The same for all jobs of this key."""
    return await _erase(request, None)


async def _erase(request: Request, job_id: str | None) -> Response:
    own = services(request)
    gone = await asyncio.to_thread(own.store.erase, owner=request.state.owner, job_id=job_id)
    await own.runner.remove(gone)
    return PlainJSONResponse({"erased": len(gone)})


async def _own_job(request: Request, job_id: str) -> Job:
    """A job of the caller; that of another key is not there for him."""
    job = await asyncio.to_thread(services(request).store.get, job_id, request.state.owner)
    if job is None:
        raise refused(
            HTTPStatus.NOT_FOUND,
            UsageError("There is no such job.", code="no_job", value=job_id, next_step="GET /v1/jobs lists yours."),
        )
    return job


@router.get("/models", tags=["about"])
async def show_models() -> Response:
    """The models that are installed, each with its card."""
    return PlainJSONResponse(await asyncio.to_thread(_models))


@router.get("/taxonomies", tags=["about"])
async def show_taxonomies() -> Response:
    """The taxonomies of feelings, each with its labels and what they mean."""
    return PlainJSONResponse(await asyncio.to_thread(_taxonomies))


@router.get("/purposes", tags=["about"])
async def show_purposes() -> Response:
    """Purposes and grounds that may be declared, the notice, and what the models are meant for."""
    known = rules()
    return PlainJSONResponse(
        {
            "purposes": known.purposes,
            "grounds": known.grounds,
            "restricted": list(known.restricted),
            "notice": known.notice,
            "intended_use": await asyncio.to_thread(intended_uses, ("text", "voice", "face")),
        }
    )


@cache
def _models() -> dict[str, Any]:
    return {"models": [_shareable(installed.card.as_dict()) for installed in list_models().models]}


def _shareable(value: Any) -> Any:  # noqa: ANN401 - JSON types, and dates and paths
    """JSON types."""
    if isinstance(value, dict):
        return {str(name): _shareable(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_shareable(part) for part in value]
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)


@cache
def _taxonomies() -> dict[str, Any]:
    found = [load_taxonomy(name) for name in list_taxonomies()]
    return {
        "taxonomies": [
            {
                "id": each.id,
                "title": each.title,
                "exclusive": each.exclusive,
                "source": each.source,
                "labels": [{"label": label, "meaning": each.glosses.get(label, "")} for label in each.labels],
            }
            for each in found
        ]
    }


def studio_folder() -> Path:
    """Where the page lies that is served at ``/``."""
    return Path(__file__).parent / "studio"
