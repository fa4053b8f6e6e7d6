"""The published contract: what the documents say, and whether the server keeps to it."""
