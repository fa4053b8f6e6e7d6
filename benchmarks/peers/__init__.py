"""The peers that the benchmarks compare the server with, each small and tuned.

- ``room.js``: a room of voters on Node's ``ws`` and Redis; a vote is one Lua script (``vote.lua``).
- ``transactions.py``: the same on FastAPI and SQLAlchemy, one transaction a vote.
- ``frames_ws.js``, ``frames_bun.js``, ``frames_picows.py``: one text to every socket, nothing else.
- ``broadcast.js``: the peer of ``benchmarks.fanout``, as fast as its readers take it.
- ``installing.py`` brings their packages, pinned in ``package.json`` and ``requirements.txt``, into
  a directory of their own.
"""
