"""ENGINE ``secretconn.django.oracle``: Oracle, by oracledb. Never run against a server; see docs/django.md."""
