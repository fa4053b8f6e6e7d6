"""Golden transcripts, and the code that plays them. The format is in ``README.md``."""
