"""Lanes: the commands of each event, decided in order inside the locked transaction.

    lanes         all lanes of the node: commands in, answers out
    lane          one event's queue and its cached state
    deadlines     how long a command may wait
    convoys       batches of several events in one transaction that never waits for a lock
    convoy_loads  loads what the batches of a convoy lack, together
    alone         a batch in a transaction of its own, which may wait for the lock
    prefetch      loads in one query the records that a batch will need
    turn          how long deciding may hold the event loop
    decide        decides one command: from a submission to its answer and its journal entry
    recorded      answers that the journal has
    batch_end     the end of every batch: commit, answers, steps for the rooms
    counts        counters for the metrics

The only folder of ``handlers`` that touches a transaction. Decisions are in ``handlers.commands``,
SQL in ``persistence``.
"""
