"""Golden transcripts, and what plays them against a server. The format is in ``README.md``."""
