"""One file per role. Each agent is plain Python with its collaborators passed in, typed input and typed output."""
