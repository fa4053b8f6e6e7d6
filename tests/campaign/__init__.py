"""The fault campaign: many clients, several nodes, real faults, and the checker on all of it.

Run it with ``python -m tests.campaign``; ``docs/campaign.md`` says what it does and what it proves.
"""
