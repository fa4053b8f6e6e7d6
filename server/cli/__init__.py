"""The command line: ``ayes serve``, ``token``, ``export``, ``verify`` and the rest.

The verbs of a client (``ayes create``, ``ayes join``) belong to ``ayes_client``; ``client``
forwards to it.
"""
