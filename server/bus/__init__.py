"""The port between nodes and its two adapters: memory, for one process, and Redis.

    port        the bus, and the messages on it
    seal        messages that only the nodes of one database can make or read
    letters     how such a message is read: its kind, and whether it is late
    memory      the bus of nodes in one process
    redis       the bus over Redis pub/sub: a channel for each event, and one for each node
    connection  the connections to one Redis server
    client      shorter ways through the Redis client
    cluster     the connections to a Redis Cluster, one per shard
    trouble     what an error of Redis means, in plain words
    living_nodes  the nodes that live, by their heartbeats; the home of an event

A message about an event is a hint. No decision depends on one; rooms read the journal.
"""
