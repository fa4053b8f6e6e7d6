"""Settings: their table, how they are read and checked, and how secrets in them are masked.

Imports no other folder of the server.
"""
