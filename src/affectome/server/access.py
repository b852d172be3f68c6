"""Who may call, and how often: keys and rate limits.

A key is ``aff_<id>_<secret>`` with 256 random bits in the secret, so that a plain SHA-256 of it can be kept: there is
nothing to guess, and what is kept does not open anything. Until the first key is made, a server that listens on its own
machine only answers programs and pages of that machine.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import HTTPException

from affectome.errors import UsageError
from affectome.server.failures import refused
from affectome.server.jobs import Key, Store
from affectome.server.settings import ServerSettings

LOCAL = "local"
"""Owner of what is sent without a key."""

_KEY = re.compile(r"aff_([0-9a-f]{12})_[\w-]{43}")
_NAME = re.compile(r"[\w.@ -]{1,80}")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_REMEMBERED = 5.0  # seconds after which a key is looked up again, so that a removed one stops working
_MOST_REMEMBERED = 10_000


def make_key(store: Store, name: str, requests_a_minute: int | None = None) -> str:
    """Make a key and keep its digest.

    Args:
        store: Where it is kept.
        name: Whose it is; letters, digits, spaces and ``._@-``.
        requests_a_minute: Its rate limit, None for that of the server.

    Returns:
        The key; nobody can show it again.

    Raises:
        UsageError: ``bad_key_name``, ``bad_rate`` or ``key_exists``.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            "The name of a key has 1 to 80 letters, digits, spaces or ._@-",
            code="bad_key_name",
            value=name,
            next_step="Choose such a name.",
        )
    if requests_a_minute is not None and requests_a_minute < 1:
        raise UsageError(
            "A key needs at least one request a minute.",
            code="bad_rate",
            value=requests_a_minute,
            next_step="Give 1 or more.",
        )
    key_id = secrets.token_hex(6)
    key = f"aff_{key_id}_{secrets.token_urlsafe(32)}"
    kept = Key(id=key_id, name=name, digest=_digest(key), created=time.time(), requests_a_minute=requests_a_minute)
    store.add_key(kept)
    return key


@dataclass(slots=True)
class _Bucket:
    """Requests that are left; it fills up evenly over a minute."""

    left: float
    filled: float


class Access:
    """Tells who calls, and refuses who may not.

    Args:
        store: Where the keys are kept.
        settings: Address and rate limit of the server.
    """

    def __init__(self, store: Store, settings: ServerSettings) -> None:
        self._store = store
        self._settings = settings
        self._remembered: dict[str, tuple[float, Key | None]] = {}
        self._any_key = (0.0, True)
        self._buckets: dict[str, _Bucket] = {}

    async def owner(self, headers: Mapping[str, str], key: str | None = None) -> str:
        """The owner of what a request sends and asks for.

        Args:
            headers: The headers of the request, names in lower case.
            key: The key, if it did not come as a header.

        Raises:
            HTTPException: 401 without a valid key (codes ``key_needed``, ``bad_key``), 403 for a page of another origin
                (``other_origin``), 429 above the rate limit (``too_many_requests``).
        """
        kind, _, given = headers.get("authorization", "").partition(" ")
        key = key or (given.strip() if kind.lower() == "bearer" else None)
        if key is None:
            await self._refuse_strangers(headers)
            self._count(LOCAL, self._settings.requests_a_minute)
            return LOCAL
        known = await self._look_up(key)
        if known is None:
            raise refused(
                HTTPStatus.UNAUTHORIZED,
                UsageError("This key is not known.", code="bad_key", next_step="Ask for a new key."),
            )
        self._count(known.id, known.requests_a_minute or self._settings.requests_a_minute)
        return known.id

    async def _refuse_strangers(self, headers: Mapping[str, str]) -> None:
        """Let only programs and pages of this machine in without a key, and only while there is no key."""
        if not self._settings.local or any(name in headers for name in _FORWARDED) or await self._has_keys():
            raise refused(
                HTTPStatus.UNAUTHORIZED,
                UsageError(
                    "A key is needed.", code="key_needed", next_step="Send it as header: Authorization: Bearer KEY"
                ),
            )
        # Without a key to ask for, a page of another site could use the server of whoever looks at it.
        origin = headers.get("origin")
        named = urlsplit(f"//{headers.get('host', '')}").hostname
        foreign = origin is not None and origin not in self._settings.origins
        if named not in _LOOPBACK | {self._settings.host} or (foreign and _place(origin) != headers.get("host")):
            raise refused(
                HTTPStatus.FORBIDDEN,
                UsageError(
                    "Pages of other origins may not call this server.",
                    code="other_origin",
                    value=origin or named,
                    next_step="Start the server with --origins and this origin, or make a key.",
                ),
            )

    async def _has_keys(self) -> bool:
        moment, there = self._any_key
        if time.monotonic() - moment > _REMEMBERED:
            there = bool(await asyncio.to_thread(self._store.all_keys))
            self._any_key = (time.monotonic(), there)
        return there

    async def _look_up(self, key: str) -> Key | None:
        digest = _digest(key)
        moment, known = self._remembered.get(digest, (-_REMEMBERED, None))
        if known is None or time.monotonic() - moment > _REMEMBERED:
            form = _KEY.fullmatch(key)
            known = await asyncio.to_thread(self._store.key, form[1]) if form else None
            if known is not None and not hmac.compare_digest(known.digest, digest):
                known = None
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            if known is not None:
                self._remembered[digest] = (time.monotonic(), known)
            else:
                self._remembered.pop(digest, None)
        return known

    def _count(self, owner: str, a_minute: int) -> None:
        wait = self.wait(owner, a_minute)
        if wait > 0:
            raise _too_many(a_minute, wait)

    def wait(self, owner: str, a_minute: int | None = None) -> float:
        """Count a request; seconds until one is allowed if it is not, 0 if it is."""
        limit = a_minute or self._settings.requests_a_minute
        now = time.monotonic()
        bucket = self._buckets.setdefault(owner, _Bucket(limit, now))
        bucket.left = min(limit, bucket.left + (now - bucket.filled) * limit / 60)
        bucket.filled = now
        if bucket.left < 1:
            return (1 - bucket.left) * 60 / limit
        bucket.left -= 1
        return 0.0


def _too_many(a_minute: int, wait: float) -> HTTPException:
    return refused(
        HTTPStatus.TOO_MANY_REQUESTS,
        UsageError(
            f"More than {a_minute} requests a minute.",
            code="too_many_requests",
            value=a_minute,
            next_step="Wait as long as the header Retry-After says.",
        ),
        retry_after=wait,
    )


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def _place(origin: str | None) -> str:
    return urlsplit(origin or "").netloc
