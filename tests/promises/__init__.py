"""The promises of the protocol and the domain, each held over real sockets and a real database.

    commands     one effect and one durable answer, whatever fails
    at_once      acts of several users at the same moment
    connections  sockets and HTTP: opening, staying alive, wrong messages, the end
    rooms        the committed state, diffs, positions that are resumed
    nodes        several nodes on one database
    limits       no user, address or stranger takes more than a share
    events       entry, votes, terms, timers, ballots, and who is shown what
    journals     the proof, older rules, erased words, restored databases

The modules beside these folders are what the tests are written with: ``client`` talks,
``running`` starts servers, ``scenes`` and ``stage`` make events, ``scenarios`` gives every command
once, ``proxy`` cuts the line to PostgreSQL.
"""
