"""A backend that takes the login from the settings when it connects, as Oracle's does."""
