"""What the entry point names, so that ``-p no:secretconn`` turns the plugin off and ``-p`` never loads it twice."""

pytest_plugins = ["secretconn.testing.plugin"]
