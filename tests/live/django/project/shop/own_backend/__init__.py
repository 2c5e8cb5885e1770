"""A backend of the application's own."""
