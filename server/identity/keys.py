"""The issuer's keys at hand: fetched in the background, answered from memory.

Nobody's message waits for the network: ``find`` looks into what is there. A name that is not there
is noted by ``want`` and looked for soon; a hello may wait for that, for ``KEY_WAIT_TIMEOUT_S``.
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

#: Longest that a key which the issuer took back is still good here, the issuer being in reach.
KEY_REFRESH_INTERVAL_S = 300.0
#: Shortest time between two fetches, however many unknown names are asked for: what anybody on
#: the net can make us ask of the issuer.
KEY_FETCH_INTERVAL_S = 5.0
#: First and longest wait after a failure, doubled in between; half of it is drawn.
MIN_FETCH_DELAY_S = 1.0
MAX_FETCH_DELAY_S = 60.0
#: Longest that a hello waits for a key.
KEY_WAIT_TIMEOUT_S = 2.0
#: How long a name that the issuer does not have is refused without asking again.
MISSING_KEY_TTL_S = 30.0
#: Names remembered as wanted, and as missing; anybody can make up names.
MAX_MISSING_KEYS = 1_024

Load = Callable[[str], KeySet]


class RemoteKeys:
    """The keys at one address.

    While the issuer is out of reach, the keys that were had last stay good, however long it takes.
    ``fetches`` says how many documents ``load`` fetches one after another.
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
        """Fetches that failed since the last that did not."""
        self._keys: KeySet = {}
        self._missing: dict[str, float] = {}
        self._wanted: set[str] = set()
        self._demand = asyncio.Event()
        self._turned = asyncio.Event()
        self._loading = False
        self._is_started = False
        # Its pauses are its own: see ``_round``.
        self.task = Periodic("issuer's keys", 0.0, self._round)

    def start(self) -> None:
        """Begin to fetch, once; the first keys are there when they are there."""
        if not self._is_started:
            self._is_started = True
            self.task.start()

    async def stop(self) -> None:
        """End; a fetch under way is left to its own deadline."""
        await self.task.stop()

    def find(self, kid: str) -> Mapping[str, jwt.PyJWK] | None:
        """The keys of this name, by algorithm."""
        return self._keys.get(kid)

    def is_missing(self, kid: str) -> bool:
        """Whether the issuer was asked for this very name a moment ago, and does not have it."""
        since = self._missing.get(kid)
        return since is not None and time.monotonic() - since < MISSING_KEY_TTL_S

    def want(self, kid: str) -> None:
        """Look for a name as soon as the issuer may be asked again."""
        if len(self._wanted) < MAX_MISSING_KEYS:
            self._wanted.add(kid)
        self._demand.set()

    async def settle(self, kid: str) -> None:
        """Wait until a name is found or missing, or it is clear that this is not known for now."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEY_WAIT_TIMEOUT_S):
                while not (self.failures or self._keys.get(kid) or self.is_missing(kid)):
                    self.want(kid)
                    await self._turned.wait()

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
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(latest):
                await self._demand.wait()
        await asyncio.sleep(not_before - loop.time())

    async def _refresh(self) -> bool:
        """Fetch once; whether that succeeded."""
        asked, self._wanted = self._wanted, set()
        self._demand.clear()
        try:
            keys = await self._fetch()
        except Exception as err:
            self.failures = min(self.failures + 1, 16)
            why = str(err) if isinstance(err, KeySetError) else repr(err)
            log.warning("the keys at %s cannot be had: %s", mask_url(self._url), why)
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
        """Load in a thread of its own: a pool's would be waited for when the process ends.

        An issuer that sends a byte now and then can keep its thread; it gets no second one.
        """
        if self._loading:
            raise KeySetError("the last answer has not ended yet")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[KeySet] = loop.create_future()

        def tell(keys: KeySet | None, err: Exception | None) -> None:
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
            # The loop may be gone by now.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(tell, keys, failed)

        threading.Thread(target=work, name="issuer's keys", daemon=True).start()
        self._loading = True
        async with asyncio.timeout(jwks.FETCH_TIMEOUT_S * self._fetches + 1):
            return await done
