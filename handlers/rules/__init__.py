"""The rules that handlers share, each in one place: permissions, transitions, tallies, acceptance.

    permissions      command → required role and event statuses
    transitions      the state machines, one table each
    limits           the limits that decide an event
    lateness         commands that arrive after their own ``not_after``
    requests         requests to join
    electorate       who may vote on a proposal, and how many they are
    invitations      the user and the window of invitations, and guests
    tallies          the counts of a proposal's votes
    auto_acceptance  whether a proposal passes by its votes
    resolution       resolves proposals, and applies accepted ones
    results          counts the final ballots
    schedule         starts and finishes an event, by an admin or by its schedule
    preview          the proposals that a policy would accept
    erasing          the step that shows what an operator erased
    timers           the steps that the passing of time brings about

All of it is pure. A rule raises as the handlers do: ``FinalError`` to refuse the command, and
``Missing`` for a record that is not loaded. The commands that use a rule are in
``handlers.commands``.
"""
