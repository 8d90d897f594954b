"""Talking about studies: from what a person types to what is meant, and from the store to what is answered.

Nothing here acts. What would change something is a record that `graph.conversing` and the app carry out once a person
has confirmed it.
"""
