"""A command has one effect and one durable answer, whatever fails."""
