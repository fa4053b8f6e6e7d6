"""What commands mean: one handler per command, pure decisions on the event's state, and the lane
that runs them inside the locked transaction."""
