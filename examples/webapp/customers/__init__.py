"""A customer form that writes and reads."""
