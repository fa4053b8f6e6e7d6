"""Store events: migrations and tables, the locked transaction of an event, its journal, queries."""
