"""Sockets and HTTP: opening, staying alive, wrong messages, and the end."""
