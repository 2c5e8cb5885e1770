"""ENGINE ``secretconn.django.mysql``: MySQL and MariaDB, by mysqlclient (or PyMySQL in its place)."""
