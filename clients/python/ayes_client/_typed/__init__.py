"""The commands and queries of the server, typed to the field.

All but ``paging`` is written by ``scripts/client_types.py``.
"""
