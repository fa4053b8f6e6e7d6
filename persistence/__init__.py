"""What is kept, and how: tables, migrations, the locked transaction of an event, the journal."""
