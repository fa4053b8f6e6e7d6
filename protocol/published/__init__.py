"""The published contract: JSON Schema, AsyncAPI and OpenAPI, made from the types in ``protocol``.

Nothing here is needed to serve a message; nothing outside this folder knows these formats.
"""
