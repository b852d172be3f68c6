"""Streams: texts one after the other, and sound that goes on, with results while it does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any, TypeVar

from fastapi import APIRouter, HTTPException, WebSocket
from pydantic import BaseModel, ValidationError
from starlette.websockets import WebSocketDisconnect

from affectome.errors import AffectomeError, UsageError
from affectome.server import schemas
from affectome.server.hearing import SoundPipe
from affectome.server.purposes import check_purpose, rules
from affectome.server.results import plain
from affectome.server.services import Services, services

router = APIRouter(prefix="/v1/stream")

_PIECE_BYTES = 1 << 18
_LINE_CHARACTERS = 1 << 20
_POLICY, _FINE = 1008, 1000  # codes of a closed stream

Wanted = TypeVar("Wanted", bound=BaseModel)


@router.websocket("/text")
async def stream_text(stream: WebSocket) -> None:
    """A reading for each text, in their order."""
    async with _opened(stream, "text") as own:
        first = _parsed(schemas.TextStreamRequest, await _line(stream, own))
        owner = await own.access.owner(_headers(stream), first.key)
        options = first.options(commercial=own.settings.commercial)
        await stream.send_json({"type": "ready"})
        while True:
            line = await _line(stream, own)
            if line.get("type") == "end":
                await stream.send_json({"type": "end"})
                return
            wanted = _parsed(schemas.StreamedText, line)
            if len(wanted.text) > own.settings.text_characters:
                raise UsageError(
                    f"The text has more than {own.settings.text_characters:,} characters.",
                    code="text_too_long",
                    value=len(wanted.text),
                    next_step="Send it in parts.",
                )
            if wait := own.access.wait(owner):
                await asyncio.sleep(wait)  # who sends too fast waits, and so does what follows
            (reading,) = await own.texts.read([wanted.text], options)
            await stream.send_json({"type": "reading", "id": wanted.id, **plain(asdict(reading))})


@router.websocket("/audio")
async def stream_audio(stream: WebSocket) -> None:
    """A row for each stretch of speech, as soon as it is over."""
    async with _opened(stream, "audio") as own:
        first = _parsed(schemas.AudioStreamRequest, await _line(stream, own))
        await own.access.owner(_headers(stream), first.key)
        check_purpose(("voice",), first.purpose, first.ground)
        options = first.options(commercial=own.settings.commercial)
        sound = SoundPipe(asyncio.get_running_loop())
        rows = own.voices.hear(sound, options, first.max_seconds)
        await stream.send_json({"type": "ready", "notice": rules().notice})
        sending = asyncio.create_task(_send_rows(stream, rows))
        receiving = asyncio.create_task(_take_sound(stream, own, sound))
        try:
            async with asyncio.timeout(own.settings.stream_minutes * 60):
                await asyncio.wait([sending, receiving], return_when=asyncio.FIRST_EXCEPTION)
                for task in (receiving, sending):
                    if task.done():
                        task.result()  # raises what ended it
                await sending
        except TimeoutError as error:
            raise UsageError(
                f"The stream lasts longer than {own.settings.stream_minutes:g} minutes.",
                code="stream_too_long",
                next_step="Open another one.",
            ) from error
        finally:
            sound.end()
            for task in (sending, receiving):
                task.cancel()
            await asyncio.gather(sending, receiving, return_exceptions=True)
        await stream.send_json({"type": "end"})


async def _send_rows(stream: WebSocket, rows: AsyncIterator[dict[str, Any]]) -> None:
    async for row in rows:
        await stream.send_json({"type": "row", **plain(row)})


async def _take_sound(stream: WebSocket, own: Services, sound: SoundPipe) -> None:
    """Hand over what is sent until its end is told."""
    while True:
        async with asyncio.timeout(own.settings.idle_seconds):
            message = await stream.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", _FINE))
        piece = message.get("bytes")
        if piece is None:
            if _object(message.get("text") or "").get("type") != "end":
                raise UsageError(
                    "Only sound and its end are taken now.",
                    code="bad_message",
                    next_step='Send 16-bit samples as binary messages, then {"type": "end"}.',
                )
            sound.end()
            return
        if len(piece) > _PIECE_BYTES:
            raise UsageError(
                f"A piece of sound is larger than {_PIECE_BYTES >> 10} KiB.",
                code="piece_too_large",
                value=len(piece),
                next_step="Send smaller pieces.",
            )
        await sound.put(piece)


@contextlib.asynccontextmanager
async def _opened(stream: WebSocket, kind: str) -> AsyncIterator[Services]:
    """An accepted stream, counted; what goes wrong is told before it is closed."""
    own = services(stream)
    await stream.accept()
    own.metrics.streams.labels(kind).inc()
    told: AffectomeError | None = None
    try:
        yield own
    except WebSocketDisconnect:
        return
    except HTTPException as error:
        detail: object = error.detail
        told = detail if isinstance(detail, AffectomeError) else UsageError("It is refused.", code="refused")
    except AffectomeError as error:
        told = error
    except TimeoutError:
        told = UsageError("Nothing came for too long.", code="idle", next_step="Open another stream.")
    finally:
        own.metrics.streams.labels(kind).dec()
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the other side may have gone
        if told is not None:
            await stream.send_json({"type": "error", "error": told.as_dict()})
        await stream.close(_FINE if told is None else _POLICY)


async def _line(stream: WebSocket, own: Services) -> dict[str, Any]:
    """The next message, an object as JSON."""
    async with asyncio.timeout(own.settings.idle_seconds):
        message = await stream.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", _FINE))
    return _object(message.get("text") or "")


def _object(text: str) -> dict[str, Any]:
    if len(text) <= _LINE_CHARACTERS:
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(text)
            if isinstance(found, dict):
                return found
    raise UsageError(
        "The message is no JSON object.", code="bad_message", next_step="See docs/serve.md for what a stream takes."
    )


def _parsed(kind: type[Wanted], line: dict[str, Any]) -> Wanted:
    try:
        return kind.model_validate(line)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise UsageError(
            f"{where or 'The message'}: {problem['msg']}.",
            code="bad_message",
            value=where,
            next_step="See docs/serve.md for what a stream takes.",
        ) from error


def _headers(stream: WebSocket) -> dict[str, str]:
    return {name.lower(): value for name, value in stream.headers.items()}
