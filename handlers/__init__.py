"""Decide commands: one pure handler per command, and lanes that run them under the event's lock."""
