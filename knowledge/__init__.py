"""Papers: fetched, split into passages, embedded and searched. May not import the sandbox, nor any room above."""
