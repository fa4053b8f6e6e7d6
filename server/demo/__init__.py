"""``ayes demo``: bots decide something together over real sockets, and the room is shown live.

    stage     starts what is needed, and ends all of it again
    child     a server of the demo's own, as a process
    bot       one user: sockets, commands, a folded room
    story     what the bots do, and in which order
    ledger    what was sent and answered, held against what the server says
    feed      the words for what happens: the same for screen and plain lines
    screen    the live picture; ``lines`` where there is no terminal

Nothing of the server uses it, and it uses of the server only what any client could know: the wire,
and the settings to find it and to make tokens.
"""

from server.demo.stage import run, serve_and_show

__all__ = ["run", "serve_and_show"]
