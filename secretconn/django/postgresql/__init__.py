"""ENGINE ``secretconn.django.postgresql``: PostgreSQL, by psycopg 3 or psycopg2."""
