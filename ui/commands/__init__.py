"""The commands, a file for each thing that they are about. What is heavy is imported inside a command."""
