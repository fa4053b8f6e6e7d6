"""The promises of the protocol and the domain, each held over real sockets and a real database."""
