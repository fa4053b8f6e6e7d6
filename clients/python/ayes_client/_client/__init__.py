"""The parts of a client: what one gives to it, and the rooms that it enters.

``client.Client`` puts them together with the connection.
"""
