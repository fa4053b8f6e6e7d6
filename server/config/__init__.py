"""What the operator said: settings, addresses, and how a secret is masked when they are printed.

Knows no other folder of the server.
"""
