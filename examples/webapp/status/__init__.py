"""What each worker knows of its credentials, gathered in the database, and a page that shows it."""
