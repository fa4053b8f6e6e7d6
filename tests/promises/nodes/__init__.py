"""Several nodes on one database: homes, steps over the bus, forged and lost messages."""
