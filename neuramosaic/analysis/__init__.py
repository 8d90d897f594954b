"""From trials to tables, figures and the report: pure functions of the store's records."""
