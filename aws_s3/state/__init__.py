"""What was collected, in SQLite: the existing module's tables, and beside them our own (SPEC 9)."""
