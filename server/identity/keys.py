"""The issuer's keys: fetched in the background, looked up in memory.

``find`` never waits for the network. ``want`` requests the fetch of an unknown key; only a hello
waits for it, up to ``KEY_WAIT_TIMEOUT_S``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping

import jwt

from persistence.database.periodic import Periodic
from server.config.masking import mask_url
from server.identity import jwks
from server.identity.jwks import KeySet, KeySetError

log = logging.getLogger("ayes.keys")

#: Seconds between two fetches of known keys. A withdrawn key stays trusted for as long, while the
#: issuer is reachable.
KEY_REFRESH_INTERVAL_S = 300.0
#: Seconds between two fetches at least, whatever the number of unknown keys. It bounds the requests
#: that strangers' tokens can cause at the issuer.
KEY_FETCH_INTERVAL_S = 5.0
#: Seconds before the next fetch after a failure, doubled each time; half of the delay is random.
MIN_FETCH_DELAY_S = 1.0
#: Seconds to which this delay is doubled at most, so that a provider's return is soon seen.
MAX_FETCH_DELAY_S = 60.0
#: Seconds that a hello waits for a key; then ``overloaded``.
KEY_WAIT_TIMEOUT_S = 2.0
#: Seconds for which a key that the issuer does not have is refused without a fetch.
MISSING_KEY_TTL_S = 30.0
#: Key names remembered as wanted, and as missing; further ones are not fetched. Any client can
#: invent names.
MAX_MISSING_KEYS = 1_024

Load = Callable[[str], KeySet]


class RemoteKeys:
    """The keys at one address.

    While the issuer is out of reach, the last fetched keys stay valid without limit. ``fetches`` is
    the number of documents that ``load`` fetches in a row; ``first_backoff`` is in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        load: Load = jwks.load,
        fetches: int = 1,
        refresh_seconds: float = KEY_REFRESH_INTERVAL_S,
        cooldown_seconds: float = KEY_FETCH_INTERVAL_S,
        first_backoff: float = MIN_FETCH_DELAY_S,
    ) -> None:
        self._url = url
        self._load = load
        self._fetches = fetches
        self._refresh_seconds = refresh_seconds
        self._cooldown_seconds = cooldown_seconds
        self._first_backoff = first_backoff
        self.failures = 0
        """Failed fetches since the last successful one."""
        self._keys: KeySet = {}
        self._missing: dict[str, float] = {}
        self._wanted: set[str] = set()
        self._demand = asyncio.Event()
        self._fetched_once = asyncio.Event()
        self._loading = False
        self._is_started = False
        # ``_round`` makes its own pauses.
        self.task = Periodic("issuer's keys", 0.0, self._round)

    def start(self) -> None:
        """Start fetching in the background, once; does not wait for the first keys."""
        if not self._is_started:
            self._is_started = True
            self.task.start()

    async def stop(self) -> None:
        """Stop; a fetch in flight ends by its own deadline."""
        await self.task.stop()

    def find(self, kid: str) -> Mapping[str, jwt.PyJWK] | None:
        """Return the keys of this name, by algorithm, or ``None``."""
        return self._keys.get(kid)

    def is_missing(self, kid: str) -> bool:
        """Return whether a recent fetch showed that the issuer does not have this key."""
        since = self._missing.get(kid)
        return since is not None and time.monotonic() - since < MISSING_KEY_TTL_S

    def want(self, kid: str) -> None:
        """Request a fetch for an unknown key, as soon as the interval allows it."""
        if len(self._wanted) < MAX_MISSING_KEYS:
            self._wanted.add(kid)
        self._demand.set()

    async def settle(self, kid: str) -> None:
        """Wait until a key is found, is missing, or cannot be fetched for now."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEY_WAIT_TIMEOUT_S):
                while not (self.failures or self._keys.get(kid) or self.is_missing(kid)):
                    self.want(kid)
                    await self._fetched_once.wait()

    # Fetching.

    async def _round(self) -> None:
        """Fetch once, and wait until the next fetch is due or wanted."""
        loop = asyncio.get_running_loop()
        fetched = await self._refresh()
        if fetched:
            earliest = self._cooldown_seconds
            latest = self._refresh_seconds * random.uniform(0.8, 1)  # noqa: S311 - jitter
        else:
            backoff = min(self._first_backoff * 2**self.failures / 2, MAX_FETCH_DELAY_S)
            earliest = latest = backoff * random.uniform(0.5, 1)  # noqa: S311 - jitter
        not_before = loop.time() + earliest
        ended, self._fetched_once = self._fetched_once, asyncio.Event()
        ended.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(latest):
                await self._demand.wait()
        await asyncio.sleep(not_before - loop.time())

    async def _refresh(self) -> bool:
        """Fetch once; return whether that succeeded."""
        asked, self._wanted = self._wanted, set()
        self._demand.clear()
        try:
            keys = await self._fetch()
        except Exception as err:
            self.failures = min(self.failures + 1, 16)
            why = str(err) if isinstance(err, KeySetError) else repr(err)
            log.warning("the keys at %s cannot be fetched: %s", mask_url(self._url), why)
            return False
        if keys.keys() != self._keys.keys():
            log.info("the issuer has %d keys", len(keys))
        if not keys:
            log.warning("there is no usable key at %s", mask_url(self._url))
        self._keys = keys
        self.failures = 0
        self._wanted -= keys.keys()
        if not self._wanted:
            self._demand.clear()
        now = time.monotonic()
        for kid in asked - keys.keys():
            self._missing.pop(kid, None)
            self._missing[kid] = now
        for kid in list(self._missing)[: max(len(self._missing) - MAX_MISSING_KEYS, 0)]:
            del self._missing[kid]
        return True

    async def _fetch(self) -> KeySet:
        """Load in a separate thread, since the process would wait for a pool's at its end.

        An issuer that answers very slowly can occupy that thread, but never a second one.
        """
        if self._loading:
            raise KeySetError("the last answer has not ended yet")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[KeySet] = loop.create_future()

        def finish(keys: KeySet | None, err: Exception | None) -> None:
            self._loading = False
            if done.done():
                return
            if err is not None:
                done.set_exception(err)
            elif keys is not None:
                done.set_result(keys)

        def work() -> None:
            keys, failed = None, None
            try:
                keys = self._load(self._url)
            except Exception as err:
                failed = err
            # The loop may be closed by now.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(finish, keys, failed)

        threading.Thread(target=work, name="issuer's keys", daemon=True).start()
        self._loading = True
        async with asyncio.timeout(jwks.FETCH_TIMEOUT_S * self._fetches + 1):
            return await done
