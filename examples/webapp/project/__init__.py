"""The project: settings, addresses, what every answer has in common."""
