"""A room shows every member the committed state, and a position can be resumed."""
