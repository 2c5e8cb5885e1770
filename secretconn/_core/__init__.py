"""The core behind the public face: nothing outside secretconn imports it."""
