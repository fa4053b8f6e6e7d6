"""The homes of events: while several nodes use an event, one of them decides its commands.

Two nodes that take turns in an event take its row from each other: each finds that its cached state
is behind, and shares no transaction with the other. So a node *forwards* a command to the event's
home, which decides it in its own lane, and passes on the answer.

The home is a hint and never a lock. A command whose home does not answer in time is decided where
it is, under the row's lock; the journal's key allows one effect. Nothing is forwarded for an event
that only one node uses.

    letters    the letters between nodes: commands one way, answers the other
    outgoing   commands on their way to one home, until each is answered or taken back
    incoming   another node's commands, which are decided here
    shared     the events that several nodes use
    uses       which nodes use an event: they name it to its home, and it to them
    routes     where the next command of one event goes, in the order sent
    reception  other nodes' commands: to the lanes, and the answers back
    homes      sends commands to their home, and takes them back from one that fails
    counts     counters for the metrics

Budgets are charged where the socket is. The sender is checked there too: a letter is sealed, so
that no one but a node can name an actor.
"""
