"""The journal of an event, and the locked transaction that appends to it.

    transaction  the locked transaction, in which a batch of commands changes an event
    chain        the hash chain: how an entry is sealed and verified
    epochs       new epochs, which make clients give up the positions they know
    pruning      deletes old final errors
    rewriting    writes entries without erased words, and deletes an event
    audit        reads the journal and the tables, to check one against the other

The meaning of a command is decided in ``handlers``; this folder stores the decision. A function
with a database or a connection raises what ``Database.connection`` raises, and asyncpg's errors.
"""
