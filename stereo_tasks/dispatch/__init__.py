"""Which nights are handed on to `process_night`: those that detection finds, and those that people ask for."""
