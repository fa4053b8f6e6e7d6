"""The command line: ``ayes serve``, ``token``, ``export``, ``verify`` and the rest.

A client's commands (``ayes create``, ``ayes join``) are in ``ayes_client``; ``client`` forwards to
it.
"""
