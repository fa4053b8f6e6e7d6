"""Decide commands under the event's lock. The files and folders, from the ground up:

    views.py      the records as clients see them
    step.py       one command at work on the state
    audiences.py  the patches of one step, for each audience
    rules         the rules that handlers share
    commands      one pure handler per command
    lanes         the queues that run handlers inside the locked transaction
    proof         the journal decided again, for ``ayes verify``

No socket or room is known here; ``server`` has them.
"""
