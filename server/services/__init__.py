"""What a request means, whether it came over a WebSocket or over HTTP, and the server's own work.

Nothing here knows which of the two it was.
"""
