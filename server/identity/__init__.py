"""Authentication: tokens, the issuer's keys, revocations, and origins of pages.

    auth          checks tokens, and returns the user that each one names
    refusals      why a token is not valid, in words for operators
    entry         secrets of invitations, and tokens of guests
    secret        the generated secret, if the operator gives none
    keys          the issuer's keys, fetched in the background
    jwks          how the keys are fetched and read
    provider      the OpenID Connect provider that people sign in with
    revocations   revoked access, as the node knows it
    origins       the origin of pages that open a socket
    log_throttle  log lines about the issuer, each kind once a minute

A user's permissions in an event are checked under the event's lock, in ``handlers``.
"""
