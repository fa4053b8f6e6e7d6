"""The error that ends a demo."""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot continue, or found a wrong answer. The message can be shown."""
