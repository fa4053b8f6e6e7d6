"""How a demo ends that does not end well."""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot go on, or found something wrong; the message is fit to print."""
