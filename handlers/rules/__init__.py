"""The rules that handlers share, each in one place: permissions, transitions, tallies, acceptance.

All of it is pure. Which command asks for a rule is said in ``handlers.commands``.
"""
