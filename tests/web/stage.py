"""Other users in the room, who act over HTTP, and an event with activity."""

from __future__ import annotations

import ssl
from typing import Any
from uuid import uuid4

import httpx

#: Seconds that an idle connection is used again. The server closes it after five, and a request
#: that is sent at that moment gets no answer.
KEPT_SECONDS = 2.0
#: No authority is trusted. To read those of the system takes longer than most acts of a user.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Stage:
    """Users signed in by name at ``base``, for acts that the page under test does not do itself."""

    def __init__(self, base: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=base,
            timeout=20,
            trust_env=False,
            verify=NO_TLS,
            limits=httpx.Limits(keepalive_expiry=KEPT_SECONDS),
        )
        self._tokens: dict[str, str] = {}
        self.users: dict[str, str] = {}

    async def __aenter__(self) -> Stage:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._http.aclose()

    async def headers(self, name: str) -> dict[str, str]:
        """The headers that authenticate ``name``."""
        if name not in self._tokens:
            answer = (
                (await self._http.post("/v1/local/token", json={"name": name}))
                .raise_for_status()
                .json()
            )
            self._tokens[name] = answer["token"]
            self.users[name] = answer["user"]
        return {"Authorization": f"Bearer {self._tokens[name]}"}

    async def run(self, name: str, command: str, /, **arguments: Any) -> dict[str, Any]:
        """Send a command that must succeed; return its result."""
        headers = await self.headers(name)
        message = {"type": command, "id": uuid4().hex, **arguments}
        answer = await self._http.post("/v1/commands", json=message, headers=headers)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()["result"]
        return result

    async def query(self, name: str, query: dict[str, Any]) -> dict[str, Any]:
        """Send a query that must succeed; return its answer."""
        headers = await self.headers(name)
        answer = await self._http.post("/v1/queries", json=query, headers=headers)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def room(self, name: str, event: str) -> dict[str, Any]:
        """The event's state, as ``name`` sees it."""
        answer = await self._http.get(f"/v1/events/{event}", headers=await self.headers(name))
        state: dict[str, Any] = answer.raise_for_status().json()["state"]
        return state

    async def ballot(self, name: str, event: str) -> dict[str, Any]:
        """Send the ballot of ``name``."""
        answer = await self._http.get(f"/v1/events/{event}", headers=await self.headers(name))
        ballot: dict[str, Any] = answer.raise_for_status().json()["you"]["ballot"]
        return ballot

    async def event(
        self, maker: str, *members: str, start: bool = True, **fields: Any
    ) -> tuple[str, str]:
        """An event with these members, and its code."""
        fields = {"subject": "Where do we meet?", "policy": {"membership_auto": True}} | fields
        made = await self.run(maker, "event.create", **fields)
        for member in members:
            await self.run(member, "membership.join", code=made["entrance_code"])
        if start:
            await self.run(maker, "event.start", event=made["event"])
        return made["event"], made["entrance_code"]

    async def propose(self, name: str, event: str, content: str, **fields: Any) -> str:
        """Propose a new criterion, or what ``fields`` say."""
        fields = {"kind": "criterion", "category": "create", "content": content} | fields
        proposal: str = (await self.run(name, "proposal.create", event=event, **fields))["proposal"]
        return proposal

    async def vote(self, event: str, proposal: str, *names: str, revision: int = 1) -> None:
        """Let these users agree."""
        for name in names:
            await self.run(name, "vote.cast", event=event, proposal=proposal, revision=revision)
