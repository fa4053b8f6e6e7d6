"""Bugs to put into a node, one at a time, so that the checker is seen to find each."""
