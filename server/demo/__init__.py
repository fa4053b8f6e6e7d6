"""``ayes demo``: bots decide something together over real sockets, and the room is shown live.

    stage     starts the server and the bots, and stops them
    child     the demo's own server, as a process
    bot       one user: sockets, commands, a folded room
    story     the bots' acts, in order
    ledger    commands and answers, compared with the room at the end
    feed      a line for each thing that happens, for screen and plain output
    screen    the live picture
    bars      bars for proposals and results
    picture   the screen as SVG
    summary   the summary at the end
    address   the address at which a server can be reached
    failure   the error that ends a demo

The server does not use the demo. The demo uses the protocol like any client, the settings to find
the server, and its keys to make tokens. It has its own small client, since the server is installed
without ``ayes_client``.
"""

from server.demo.stage import run, serve_and_show

__all__ = ["run", "serve_and_show"]
