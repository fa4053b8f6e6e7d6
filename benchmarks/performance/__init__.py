"""The cost of a vote, for the server and for its peers; makes ``docs/performance.md``.

- ``__main__.py``: the command. ``plan.py``: how much is measured.
- ``parties.py``: the server and its peers, started beside one another. ``member.py``: a voter that
  reads the same frames from each.
- ``rooms.py``, ``sweeps.py``, ``frames.py``, ``sockets.py``, ``parts.py``: the trials.
- ``ayes_frames.py``, ``readers.py``: the programs of the trial of frames alone.
- ``plot.py``, ``page.py``: what becomes of the results.
"""
