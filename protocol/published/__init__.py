"""The published contract: JSON Schema, AsyncAPI and OpenAPI, made from the types in ``protocol``.

    definitions    the schema of every message and of its parts, by name
    json_schema    the JSON Schema of every message
    asyncapi       the socket
    openapi        the HTTP interface
    openapi_open   its part that needs no token: probes, documents, sign-in
    openapi_parts  its operations, parameters and responses
    generators     the changes of a schema that code generators need
    page           the messages of the server's own page before it has a token

Nothing here is needed to serve a message; nothing outside this folder knows these formats.
"""
