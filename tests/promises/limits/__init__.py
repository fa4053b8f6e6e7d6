"""No user, address or stranger takes more than a share of the server."""
