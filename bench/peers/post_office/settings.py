"""Django's settings. What is not here is as Django and post_office have it."""

import os
from urllib.parse import parse_qs, urlsplit

_url = urlsplit(os.environ["PEER_DATABASE_URL"])
if _url.scheme == "sqlite":
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": _url.path.removeprefix("/"),
            # As Django's page on SQLite advises where several processes write.
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"},
        }
    }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _url.path.removeprefix("/"),
            "USER": _url.username,
            "HOST": parse_qs(_url.query)["host"][0],
        }
    }

SECRET_KEY = "bench"  # noqa: S105 - nothing is signed
USE_TZ = True
INSTALLED_APPS = ["django.contrib.contenttypes", "post_office"]
TEMPLATES = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True},
    {"BACKEND": "post_office.template.backends.post_office.PostOfficeTemplates", "APP_DIRS": True},
]

EMAIL_BACKEND = "post_office.EmailBackend"
EMAIL_HOST = os.environ["SMTP_HOST"]
EMAIL_PORT = int(os.environ["SMTP_PORT"])
POST_OFFICE = {"BATCH_SIZE": 1000, "THREADS_PER_PROCESS": 10}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
