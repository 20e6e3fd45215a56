"""The catalog in PostgreSQL: what the log said, what was asked for, what became of it, and who works on which night.

It can be rebuilt from the log and the output tree; locks, requests and holds by people are kept here alone.
"""
