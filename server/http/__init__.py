"""HTTP and Server-Sent Events: commands, queries, streams, metrics, the published contract.

Commands and queries are answered by ``server.services``; the web page is in ``server.page``.
"""
