"""Acts of several users at the same moment, with real concurrency."""
