"""How much of the server one client may use: rates, shares, places, and attempts.

The limits that decide within an event are not here; they belong to the event
(``handlers.rules.limits``).
"""
