"""How much of the server one client may use: rates, shares, places, and attempts.

    token_bucket        the algorithm of every rate limit
    rate_limiter        token buckets by owner and name, in bounded memory
    addresses           the unit in which addresses are limited
    connections         the sockets of the node, by network and by user, and their rate
    admissions          the rate of new sockets
    reconnect_throttle  new sockets from networks that broke a rule
    fair_slots          slots shared by groups: the largest group gives one up
    user_rate           one user's requests over HTTP
    quotas              one user's queries, by their cost
    churn               one user's repeated acts in one event, and their bytes of a day
    code_guesses        wrong entrance codes
    work_throttle       expensive work, one piece at a time with a pause after each
    fair_scheduler      the event loop's time for all sockets over budget
    metered             a coroutine's processor time
    event_log_throttle  error lines about an event that a client can cause

The limits that decide within an event belong to the event (``handlers.rules.limits``); those on
bytes and frames are in ``server.transport.budgets``.
"""
