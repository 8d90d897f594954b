"""SQLite records, migrations, and content-addressed code in git."""
