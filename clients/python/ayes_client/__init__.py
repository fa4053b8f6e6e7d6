"""A client for Ayes, the realtime decision server: every vote counts exactly once.

    async with Client("https://ayes.example", token) as client:
        room = await client.subscribe(event)
        await room.vote(proposal)

``ayes_client.errors`` draws the tree of what can be raised. What stands on what, from the ground
up:

    errors, state, ids, command, tally, happenings, limits, user, version    what users import
    _words                  errors in the page's words
    _typed                  the server's commands and queries, typed; a script writes it
    _wire                   the small rules of the protocol, without I/O
    _pending | _rooms       what has no answer yet | the folded state and its readers
    _connection             one connection, from its opening to its end
    _client                 giving commands, entering rooms
    client                  puts the rest together
    cli                     ``ayes-client``
"""

from ayes_client import errors
from ayes_client._connection.connector import Status
from ayes_client._connection.tokens import Token
from ayes_client._pending.outbox import FileOutbox, Kept, Outbox
from ayes_client._rooms.changes import Change, Changes
from ayes_client._rooms.proposing import Proposed
from ayes_client._rooms.room import Room
from ayes_client._words import explain
from ayes_client.client import Client
from ayes_client.command import Ack, Command, CommandOptions, Outcome, Pending
from ayes_client.errors import AyesError
from ayes_client.happenings import EventFinished, MemberJoined, ProposalDecided
from ayes_client.ids import id_from, new_id
from ayes_client.limits import Limits
from ayes_client.tally import Decided, Tally
from ayes_client.user import User
from ayes_client.version import VERSION as __version__

__all__ = [
    "Ack",
    "AyesError",
    "Change",
    "Changes",
    "Client",
    "Command",
    "CommandOptions",
    "Decided",
    "EventFinished",
    "FileOutbox",
    "Kept",
    "Limits",
    "MemberJoined",
    "Outbox",
    "Outcome",
    "Pending",
    "ProposalDecided",
    "Proposed",
    "Room",
    "Status",
    "Tally",
    "Token",
    "User",
    "__version__",
    "errors",
    "explain",
    "id_from",
    "new_id",
]
