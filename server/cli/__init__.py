"""The command line: ``ayes serve``, ``token``, ``export``, ``verify`` and the rest.

    main             the commands and their arguments
    __main__         ``python -m server.cli``
    token            ``ayes token``
    audit            ``ayes journal``, ``verify`` and ``export``
    event_limits     ``ayes limits``
    backup           ``ayes backup`` and ``restore``
    postgres_version ``ayes upgrade-postgres``
    doctor           ``ayes doctor``
    admin            ``ayes admin``
    removing         the arguments of ``ayes erase`` and ``delete``
    erasing          ``ayes erase``
    deleting         ``ayes delete``
    running          what the commands share
    client           forwards a member's commands, such as ``ayes vote``

A client's commands (``ayes create``, ``ayes join``) are in ``ayes_client``.
"""
