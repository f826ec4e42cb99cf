"""The door for a WSGI server such as gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

application = get_wsgi_application()

from project.checks import refuse_wrong_settings  # noqa: E402 (needs the settings)

refuse_wrong_settings()
