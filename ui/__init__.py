"""How a person reaches the laboratory: the command line. Thin: parse, call, show."""
