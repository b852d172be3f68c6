"""Errors as HTTP answers: one shape, ``{"error": AffectomeError.as_dict()}``, for whatever goes wrong."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import JSONResponse, Response

from affectome.errors import AffectomeError, InputError, MissingExtraError, ModelError, RunError, UsageError

_LOG = logging.getLogger("affectome.server")
_STATUS: dict[type[AffectomeError], int] = {
    InputError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UsageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    ModelError: HTTPStatus.UNPROCESSABLE_ENTITY,
    MissingExtraError: HTTPStatus.NOT_IMPLEMENTED,
    RunError: HTTPStatus.SERVICE_UNAVAILABLE,
}
_LONGEST_VALUE = 200  # characters of an offending value that are sent back


class PlainJSONResponse(JSONResponse):
    """JSON in UTF-8; what UTF-8 cannot say becomes a question mark, and numbers that are none are refused."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - as the class above it has it
        """The bytes of the answer."""
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(errors="replace")


def refused(status: int, error: AffectomeError, *, retry_after: float | None = None) -> HTTPException:
    """The exception that answers a request with a status and an error.

    Args:
        status: HTTP status.
        error: What is told.
        retry_after: Seconds after which it may work, rounded up.
    """
    headers = {} if retry_after is None else {"Retry-After": str(max(1, math.ceil(retry_after)))}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return HTTPException(status, detail=error, headers=headers)


def answer(status: int, error: AffectomeError, headers: Mapping[str, str] | None = None) -> Response:
    """An error as an answer."""
    told = error.as_dict()
    value = told["value"]
    if isinstance(value, str) and len(value) > _LONGEST_VALUE:
        told["value"] = value[:_LONGEST_VALUE] + "…"
    return PlainJSONResponse({"error": told}, status, headers)


def answer_for(error: StarletteHTTPException) -> Response:
    """The answer that an exception stands for."""
    detail: object = error.detail
    if not isinstance(detail, AffectomeError):
        detail = _standard(error.status_code)
    return answer(error.status_code, detail, error.headers)


def add_handlers(app: FastAPI) -> None:
    """Answer every exception in the one shape."""

    @app.exception_handler(StarletteHTTPException)
    async def known(_: Request, error: StarletteHTTPException) -> Response:
        return answer_for(error)

    @app.exception_handler(AffectomeError)
    async def typed(_: Request, error: AffectomeError) -> Response:
        return answer(_STATUS.get(type(error), HTTPStatus.UNPROCESSABLE_ENTITY), error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return answer(HTTPStatus.UNPROCESSABLE_ENTITY, _invalid(error))

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        _LOG.error("%s %s: %s", request.method, request.url.path, type(error).__name__)
        return answer(HTTPStatus.INTERNAL_SERVER_ERROR, _standard(HTTPStatus.INTERNAL_SERVER_ERROR))


def _invalid(error: RequestValidationError) -> UsageError:
    problems = error.errors()
    first: Mapping[str, Any] = problems[0] if problems else {"loc": (), "msg": "It does not fit", "input": None}
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    more = f" There are {len(problems) - 1} more problems." if len(problems) > 1 else ""
    allowed = first.get("ctx", {}).get("expected", "")
    return UsageError(
        f"{where or 'The request'}: {first['msg']}.{more}",
        code="bad_request",
        value=first.get("input") if isinstance(first.get("input"), str | int | float) else where,
        allowed=[word.strip("' ") for word in str(allowed).replace(" or ", ", ").split(",") if word.strip("' ")],
        next_step="See /openapi.json for what is taken.",
    )


def _standard(status: int) -> AffectomeError:
    """What the framework refuses by itself."""
    if status == HTTPStatus.NOT_FOUND:
        return UsageError("There is nothing here.", code="not_found", next_step="See /openapi.json for what there is.")
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return UsageError(
            "This method is not known here.",
            code="method_not_allowed",
            next_step="See /openapi.json; the answer's header Allow names the methods.",
        )
    if status == HTTPStatus.BAD_REQUEST:
        return UsageError(
            "The body of the request cannot be parsed.",
            code="bad_body",
            next_step="Send JSON, or a form where files are taken.",
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RunError(
            "Something went wrong that nobody foresaw.",
            code="internal_error",
            next_step="Try again, and report it if it stays.",
        )
    return UsageError(HTTPStatus(status).phrase + ".", code="refused", value=status)
