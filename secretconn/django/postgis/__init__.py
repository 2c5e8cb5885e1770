"""ENGINE ``secretconn.django.postgis``: PostGIS."""
