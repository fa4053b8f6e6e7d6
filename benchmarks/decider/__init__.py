"""What deciding a vote costs, without sockets: `python -m benchmarks.decider`."""
