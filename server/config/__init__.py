"""Settings: their table, how they are read and checked, and how secrets in them are masked.

    settings      every setting: type, meaning, range and default
    loading       the settings from flags and environment, checked
    urls          rules about URLs
    database_url  the database's URL, for commands other than ``ayes serve``
    redis_url     ``AYES_REDIS_URL``, parsed and checked
    masking       passwords in URLs, masked
    start_error   the error that ends a start
    unread        variables that look like settings, and that nothing reads
    version       the version of this installation

Imports no other folder of the server.
"""
