"""The PostgreSQL that Ayes starts by itself: its binaries, its data directory, its process.

A server that is given ``AYES_DATABASE_URL`` uses nothing of this folder.
"""
