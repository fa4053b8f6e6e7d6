"""HTTP and Server-Sent Events: commands, questions, probes, metrics, the published contract.

The page is in ``server.page``.
"""
