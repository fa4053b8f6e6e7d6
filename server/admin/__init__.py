"""The admin's door: an HTTP API with a token of its own, for the person on call.

    door    the token, and what a wrong one costs
    views   a node as it is shown: its rooms, its sockets, what is slow
    acts    erases a person's words and deletes events, in processes of their own
    api     the routes below ``/v1/admin/``

It shows and ends connections, revokes access and prunes. It decides in no event: that takes a
command of a member, which stands in the journal. It erases a person's words and deletes events as
``ayes erase`` and ``ayes delete`` do. Without ``AYES_ADMIN_TOKEN`` the door does not exist.
"""
