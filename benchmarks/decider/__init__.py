"""The cost of deciding a vote, without sockets: `python -m benchmarks.decider`."""
