"""The admin's door: an HTTP API with a token of its own, for the person on call.

    door    the token, and what a wrong one costs
    views   a node as it is shown: its rooms, its sockets, what is slow
    api     the routes below ``/v1/admin/``

It shows and ends connections, revokes access and prunes. It changes no event: that takes a command
of a member, which stands in the journal. Without ``AYES_ADMIN_TOKEN`` the door does not exist.
"""
