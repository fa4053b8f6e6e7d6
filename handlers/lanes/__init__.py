"""Lanes: the commands of each event, decided in order inside the locked transaction.

The only folder of ``handlers`` that touches a transaction.
"""
