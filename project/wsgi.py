"""The door for a WSGI server such as gunicorn."""

import os
import sys

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

application = get_wsgi_application()

from project.checks import refuse_wrong_settings  # noqa: E402 (needs the settings)

refuse_wrong_settings()

# Threads wait for each other after every answer of the database. At Python's 5 ms a decision of forty statements held
# its locks for as long as it took to write the pages beside it.
sys.setswitchinterval(0.0005)
