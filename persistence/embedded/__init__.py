"""The PostgreSQL that Ayes starts by itself: its binaries, its data directory, its process.

    postgres        the embedded default: a private PostgreSQL
    binaries        finds PostgreSQL's programs
    data_directory  creates and locks the data directory
    account         the account that PostgreSQL runs as
    postmaster      the process: found, started, queried, stopped
    log             its log, kept within a bound

A server that is given ``AYES_DATABASE_URL`` uses nothing of this folder.
"""
