"""The process: sockets, rooms, auth, HTTP, settings, command line."""
