"""How Reprise is configured: one file, three environments, every tunable an environment variable.

`DJANGO_ENV` is development (the default), testing or production and decides the defaults. A variable of the wrong type
stops the start; one out of range is an error of `manage.py check` with a hint. `docs/settings.md` and `.env.example`
list the same variables; a test keeps the three in step.
"""

import urllib.parse
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

from project.environment import BASE_DIR, Environment, PerEnvironment
from project.logs import logging_configuration

ENVIRONMENT = Environment(BASE_DIR / ".env")
IS_PRODUCTION = ENVIRONMENT.name == "production"
IS_TESTING = ENVIRONMENT.name == "testing"

# --- Identity and secrets -------------------------------------------------------------------------------------------

SHORTEST_SECRET_KEY = 50
DEVELOPMENT_SECRET_KEY = "development-only-key-that-production-refuses-to-start-with"  # noqa: S105 (refused in production)

SECRET_KEY = ENVIRONMENT.text(
    "DJANGO_SECRET_KEY",
    default=DEVELOPMENT_SECRET_KEY,
    says="Signs sessions and links. Production refuses the default; use 50 random characters or more.",
)
DEBUG = ENVIRONMENT.flag(
    "DJANGO_DEBUG",
    default=PerEnvironment(development=True, testing=False, production=False),
    says="Shows technical error pages. Production refuses to start with it on.",
)
ALLOWED_HOSTS = ENVIRONMENT.words(
    "DJANGO_ALLOWED_HOSTS",
    default=PerEnvironment(
        development=["localhost", "127.0.0.1", "[::1]"], testing=["testserver", "localhost", "127.0.0.1"], production=[]
    ),
    says="Host names the site answers to. Production requires it and refuses a wildcard.",
)
CSRF_TRUSTED_ORIGINS = ENVIRONMENT.words(
    "DJANGO_CSRF_TRUSTED_ORIGINS",
    default=[],
    says="Origins (https://name) trusted behind a proxy that changes the host.",
)

# --- Applications ---------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "project.apps.RepriseAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_tasks_db",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "project.apps.ProjectConfig",
    "library",
    "duplicates",
]

MIDDLEWARE = [
    "duplicates.database_away.DatabaseAwayMiddleware",
    "project.health.HealthMiddleware",
    "project.proxy.ProxyMiddleware",
    "duplicates.request_deadline.RequestDeadlineMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    # `runserver` serves static files itself; in production whitenoise serves what `collectstatic` gathered.
    *(["whitenoise.middleware.WhiteNoiseMiddleware"] if IS_PRODUCTION else []),
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "duplicates.languages.LanguageMiddleware",
    "duplicates.time_zones.TimeZoneMiddleware",
    "duplicates.request_address.RequestAddressMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["library.wording"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database -------------------------------------------------------------------------------------------------------

DATABASE_URL = ENVIRONMENT.text(
    "DATABASE_URL",
    default=f"sqlite:///{BASE_DIR / 'db.sqlite3'}",
    says="sqlite:///PATH for the embedded database, postgres://USER:PASSWORD@HOST:PORT/NAME for production.",
)
DATABASE_POOL_SIZE = ENVIRONMENT.whole(
    "DATABASE_POOL_SIZE",
    default=0,
    least=0,
    most=200,
    unit="connections",
    says="PostgreSQL connections kept per process; 0 opens one per request. Use the web threads or more.",
)
SQLITE_BUSY_TIMEOUT = ENVIRONMENT.whole(
    "SQLITE_BUSY_TIMEOUT",
    default=20,
    least=1,
    most=600,
    unit="seconds",
    says="How long a writer waits for another one on SQLite.",
)


def _database() -> dict[str, Any]:
    """Return the default database with the options its engine needs."""
    import environ  # noqa: PLC0415 (only to take the address apart)

    scheme = DATABASE_URL.partition("://")[0]
    if scheme not in ("sqlite", "postgres", "postgresql"):
        # The address itself may hold a password, so it is not repeated.
        raise ImproperlyConfigured(
            f"DATABASE_URL begins with {scheme[:20]!r}; Reprise runs on sqlite:///PATH and "
            "postgres://USER:PASSWORD@HOST:PORT/NAME."
        )
    try:
        database: dict[str, Any] = environ.Env.db_url_config(DATABASE_URL)
        urllib.parse.urlsplit(DATABASE_URL).port  # noqa: B018 (raises where the address is torn)
    except ValueError:
        # Neither the address nor the parser's words, which quote parts of it, are repeated.
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be read. Write special characters of the password as %XX: "
            "postgres://USER:PASSWORD@HOST:PORT/NAME."
        ) from None
    options: dict[str, Any] = database.setdefault("OPTIONS", {})
    if database["ENGINE"] == "django.db.backends.sqlite3":
        if database["NAME"] != ":memory:":
            # Relative to the project, so that web server and worker agree wherever they are started.
            database["NAME"] = str(BASE_DIR / database["NAME"])
        # IMMEDIATE takes the write lock at BEGIN, where the busy timeout applies; a later upgrade would fail at once.
        options |= {
            "transaction_mode": "IMMEDIATE",
            "timeout": SQLITE_BUSY_TIMEOUT,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-32000;",
        }
    elif DATABASE_POOL_SIZE:
        options["pool"] = {"min_size": 1, "max_size": DATABASE_POOL_SIZE, "timeout": 10}
    return database


DATABASES = {"default": _database()}

# A table, not memory: limits and locks must be the same for every process. `migrate` creates it.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "project_cache",
        # With Django's 300 the limits of many people would push each other out.
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}

# --- Accounts -------------------------------------------------------------------------------------------------------

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
if IS_TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "admin:login"
LOGIN_FAILURES_PER_NAME = ENVIRONMENT.whole(
    "REPRISE_LOGIN_FAILURES_PER_NAME",
    default=10,
    least=1,
    most=1_000,
    unit="wrong passwords",
    says="How many wrong passwords for one name are looked at before its log-in is refused for a while.",
)
LOGIN_FAILURES_PER_ADDRESS = ENVIRONMENT.whole(
    "REPRISE_LOGIN_FAILURES_PER_ADDRESS",
    default=50,
    least=1,
    most=10_000,
    unit="wrong passwords",
    says="How many wrong passwords from one address are looked at before its log-ins are refused for a while.",
)
LOGIN_BLOCK_MINUTES = ENVIRONMENT.whole(
    "REPRISE_LOGIN_BLOCK_MINUTES",
    default=15,
    least=1,
    most=1_440,
    unit="minutes",
    says="How long a wrong password counts.",
)

# --- Web requests -------------------------------------------------------------------------------------------------

WEB_REQUEST_SECONDS = ENVIRONMENT.whole(
    "REPRISE_WEB_REQUEST_SECONDS",
    default=PerEnvironment(development=30, testing=300, production=30),
    least=1,
    most=3600,
    unit="seconds",
    says="A web request that is at the database for longer is stopped and answered with 503. Keep it under the "
    "time-outs of web server and proxy. Workers and commands have no such limit.",
)
WEB_STATEMENT_SECONDS = ENVIRONMENT.whole(
    "REPRISE_WEB_STATEMENT_SECONDS",
    default=PerEnvironment(development=15, testing=300, production=15),
    least=1,
    most=3600,
    unit="seconds",
    says="One statement of a web request that takes longer is stopped likewise (PostgreSQL's statement_timeout, for "
    "connections of web requests only).",
)

# --- Health -----------------------------------------------------------------------------------------------------------

READY_NEEDS_WORKER = ENVIRONMENT.flag(
    "REPRISE_READY_NEEDS_WORKER",
    default=True,
    says="Whether /readyz answers 503 while no worker is alive. Turn off where the pages should stay up without one.",
)
LEAST_FREE_MB = ENVIRONMENT.whole(
    "REPRISE_LEAST_FREE_MB",
    default=200,
    least=0,
    most=10_000_000,
    unit="MB",
    says="With less room than this where working files go, /readyz answers 503 and the Monitoring page warns.",
)
METRICS_TOKEN = ENVIRONMENT.text(
    "REPRISE_METRICS_TOKEN",
    default="",
    says="Who sends this as a bearer token may read /metrics from anywhere. Empty: nobody by token.",
)
METRICS_NETWORKS = ENVIRONMENT.words(
    "REPRISE_METRICS_NETWORKS",
    default=PerEnvironment(development=["127.0.0.1", "::1"], testing=["127.0.0.1", "::1"], production=[]),
    says="Addresses or networks (10.0.0.0/8) that may read /metrics directly, not through a proxy, without a token.",
)

# --- Language and time ----------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]  # each by its own name, so that everybody finds theirs
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = ENVIRONMENT.zone("TIME_ZONE", default="UTC", says="Zone in which times are shown, such as Europe/Berlin.")
USE_I18N = True
USE_TZ = True

# --- Files ----------------------------------------------------------------------------------------------------------

WORK_DIR: Path = ENVIRONMENT.folder(
    "REPRISE_WORK_DIR",
    default=BASE_DIR / "var",
    says="Private folder for checkpoints, exports and imports under way. Made on first use.",
)
UPLOAD_LIMIT_MB = ENVIRONMENT.whole(
    "REPRISE_UPLOAD_LIMIT_MB",
    default=512,
    least=1,
    most=100_000,
    unit="megabytes",
    says="Largest file that may be sent to be imported. Unpacked it may be twenty times as large.",
)
AUDIO_ROOTS = ENVIRONMENT.words(
    "REPRISE_AUDIO_ROOTS",
    default=[],
    says="Folders whose audio files staff with the permission may hear while reviewing. Empty: nobody hears anything.",
)
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if IS_PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- Security -------------------------------------------------------------------------------------------------------

SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF, CSP.NONCE],
    "style-src": [CSP.SELF, CSP.NONCE],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
    "form-action": [CSP.SELF],
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_PRODUCTION
SECURE_SSL_REDIRECT = ENVIRONMENT.flag(
    "DJANGO_SSL_REDIRECT",
    default=PerEnvironment(development=False, testing=False, production=True),
    says="Sends http requests to https. /healthz is exempt.",
)
SECURE_HSTS_SECONDS = ENVIRONMENT.whole(
    "DJANGO_HSTS_SECONDS",
    default=PerEnvironment(development=0, testing=0, production=31_536_000),
    least=0,
    most=63_072_000,
    unit="seconds",
    says="How long browsers insist on https after a visit.",
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_PRODUCTION
BEHIND_PROXY = ENVIRONMENT.flag(
    "DJANGO_BEHIND_PROXY",
    default=False,
    says="Trusts X-Forwarded-Proto, and the last address in X-Forwarded-For, from a reverse proxy. Turn on only if the "
    "proxy sets both itself.",
)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Background work ------------------------------------------------------------------------------------------------

TASKS = {
    "default": {
        "BACKEND": "django.tasks.backends.immediate.ImmediateBackend"
        if IS_TESTING
        else "django_tasks_db.DatabaseBackend",
        "QUEUES": ["default"],
    }
}

# --- API ------------------------------------------------------------------------------------------------------------

API_READS_PER_MINUTE = ENVIRONMENT.whole(
    "REPRISE_API_READS_PER_MINUTE",
    default=600,
    least=1,
    most=1_000_000,
    unit="requests per person or token",
    says="How often one may ask the API for something.",
)
API_WRITES_PER_MINUTE = ENVIRONMENT.whole(
    "REPRISE_API_WRITES_PER_MINUTE",
    default=120,
    least=1,
    most=1_000_000,
    unit="requests per person or token and action",
    says="How often one may ask the API to change something.",
)
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "duplicates.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_THROTTLE_CLASSES": ["duplicates.api.throttles.ReadThrottle", "duplicates.api.throttles.WriteThrottle"],
    "DEFAULT_SCHEMA_CLASS": "duplicates.api.schema.Schema",
    "NUM_PROXIES": 0,  # X-Forwarded-For is whatever its sender wrote
    # `?format=` is ours: it names the format of an export.
    "URL_FORMAT_OVERRIDE": None,
    "EXCEPTION_HANDLER": "duplicates.api.errors.answer_error",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Reprise",
    "DESCRIPTION": "Finds the songs a music library holds twice and helps people clean up without losing anything.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],  # it tells what could be asked, and no data
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    # Served from here: no page of ours asks another host for anything.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "duplicates.api.examples.add_examples",
    ],
    "ENUM_NAME_OVERRIDES": {
        "Staleness": "duplicates.services.staleness.Staleness",
        "WarningLevel": "duplicates.services.recommendations.WarningLevel",
        "SuggestedAction": "duplicates.services.recommendations.SuggestedAction",
        "AnalysisStatus": "duplicates.choices.AnalysisStatus",
        "Preset": "duplicates.choices.Preset",
        "Resolution": "duplicates.choices.Resolution",
        "ExportFormat": "duplicates.choices.ExportFormat",
        "ImportStatus": "library.models.ImportStatus",
        "ExportStatus": "duplicates.choices.ExportStatus",
        "CleanupState": "duplicates.choices.CleanupState",
        "PlanState": "duplicates.choices.PlanState",
        "PlanItemState": "duplicates.choices.PlanItemState",
        "ConfidenceBand": "duplicates.choices.ConfidenceBand",
        "WithoutRemoval": "duplicates.api.group_serializers.DECISIONS",
    },
}

# --- Logging --------------------------------------------------------------------------------------------------------

LOG_LEVEL = ENVIRONMENT.choice(
    "LOG_LEVEL",
    default=PerEnvironment(development="INFO", testing="WARNING", production="INFO"),
    of=("DEBUG", "INFO", "WARNING", "ERROR"),
    says="Least important log line that is written.",
)
LOG_FORMAT = ENVIRONMENT.choice(
    "LOG_FORMAT",
    default=PerEnvironment(development="text", testing="text", production="json"),
    of=("text", "json"),
    says="Log lines for people (text) or for machines (json).",
)
LOGGING = logging_configuration(level=LOG_LEVEL, style=LOG_FORMAT)

# --- Retention ------------------------------------------------------------------------------------------------------

ANALYSIS_RETENTION_DAYS = ENVIRONMENT.whole(
    "REPRISE_ANALYSIS_RETENTION_DAYS",
    default=30,
    least=1,
    most=3650,
    unit="days",
    says="Analyses older than this are cleaned up. Pinned, running and the only completed one of a user stay.",
    at_runtime=True,
)
ANALYSES_PER_USER = ENVIRONMENT.whole(
    "REPRISE_ANALYSES_PER_USER",
    default=5,
    least=1,
    most=1000,
    unit="analyses",
    says="How many analyses of one user are kept.",
    at_runtime=True,
)
AUDIT_RETENTION_DAYS = ENVIRONMENT.whole(
    "REPRISE_AUDIT_RETENTION_DAYS",
    default=365,
    least=30,
    most=36500,
    unit="days",
    says="Audit records older than this are cleaned up.",
    at_runtime=True,
)
CLEANUP_EVERY_HOURS = ENVIRONMENT.whole(
    "REPRISE_CLEANUP_EVERY_HOURS",
    default=PerEnvironment(development=24, testing=0, production=24),
    least=0,
    most=8760,
    unit="hours",
    says="Cleans up by itself after an analysis when the last time is so long ago; 0 leaves it to cron.",
    at_runtime=True,
)
EXPORT_LIFETIME_HOURS = ENVIRONMENT.whole(
    "REPRISE_EXPORT_LIFETIME_HOURS",
    default=24,
    least=1,
    most=720,
    unit="hours",
    says="How long an export can be downloaded.",
    at_runtime=True,
)
QUARANTINE_DAYS = ENVIRONMENT.whole(
    "REPRISE_QUARANTINE_DAYS",
    default=30,
    least=1,
    most=3650,
    unit="days",
    says="How long a removed track can be restored.",
    at_runtime=True,
)
STORAGE_LIMIT_MB = ENVIRONMENT.whole(
    "REPRISE_STORAGE_LIMIT_MB",
    default=0,
    least=0,
    most=100_000_000,
    unit="MB",
    says="What all results together may hold: groups, members, exports, checkpoints, tables for refreshes. Clean-up "
    "removes the oldest beyond it; while it is reached nothing new is started. 0 is no limit.",
    at_runtime=True,
)
STORAGE_PER_USER_MB = ENVIRONMENT.whole(
    "REPRISE_STORAGE_PER_USER_MB",
    default=0,
    least=0,
    most=100_000_000,
    unit="MB",
    says="What the results of one person may hold, likewise. 0 is no limit.",
    at_runtime=True,
)
STORAGE_WARN_PERCENT = ENVIRONMENT.whole(
    "REPRISE_STORAGE_WARN_PERCENT",
    default=80,
    least=1,
    most=100,
    unit="percent",
    says="From this share of a storage limit on, the Monitoring page warns.",
    at_runtime=True,
)
KEPT_INDEXES = ENVIRONMENT.whole(
    "REPRISE_KEPT_INDEXES",
    default=2,
    least=0,
    most=100,
    unit="full runs",
    says="How many keep their tables on disk, so that a refresh need only match what changed; 0 for none.",
    at_runtime=True,
)
CHECKPOINT_HOURS = ENVIRONMENT.whole(
    "REPRISE_CHECKPOINT_HOURS",
    default=24,
    least=0,
    most=8760,
    unit="hours",
    says="How long a stopped run can go on where it was.",
    at_runtime=True,
)

# --- Staleness ------------------------------------------------------------------------------------------------------

STALENESS_FRESH_HOURS = ENVIRONMENT.number(
    "REPRISE_STALENESS_FRESH_HOURS",
    default=1,
    least=0.01,
    most=8760,
    unit="hours",
    says="Younger than this is fresh.",
    at_runtime=True,
)
STALENESS_MODERATE_HOURS = ENVIRONMENT.number(
    "REPRISE_STALENESS_MODERATE_HOURS",
    default=24,
    least=0.01,
    most=8760,
    unit="hours",
    says="Younger than this is moderate, older is stale.",
    at_runtime=True,
)
STALENESS_STALE_HOURS = ENVIRONMENT.number(
    "REPRISE_STALENESS_STALE_HOURS",
    default=168,
    least=0.01,
    most=87600,
    unit="hours",
    says="Older than this is very stale.",
    at_runtime=True,
)
SIGNIFICANT_CHANGE_TRACKS = ENVIRONMENT.whole(
    "REPRISE_SIGNIFICANT_CHANGE_TRACKS",
    default=10,
    least=0,
    most=1_000_000,
    unit="tracks",
    says="More changed tracks than this since an analysis suggest a refresh.",
    at_runtime=True,
)
SIGNIFICANT_CHANGE_PERCENT = ENVIRONMENT.number(
    "REPRISE_SIGNIFICANT_CHANGE_PERCENT",
    default=10,
    least=0,
    most=100,
    unit="percent",
    says="A larger changed share of the library than this suggests a refresh.",
    at_runtime=True,
)
SIGNIFICANT_CLEANUP_PERCENT = ENVIRONMENT.number(
    "REPRISE_SIGNIFICANT_CLEANUP_PERCENT",
    default=20,
    least=0,
    most=100,
    unit="percent",
    says="From this share of an analysis's duplicates cleaned up on, a new analysis is suggested.",
    at_runtime=True,
)

# --- Analysis -------------------------------------------------------------------------------------------------------

ANALYSIS_TIMEOUT_SECONDS = ENVIRONMENT.whole(
    "REPRISE_ANALYSIS_TIMEOUT_SECONDS",
    default=0,
    least=0,
    most=86_400,
    unit="seconds",
    says="Hard limit of one analysis. 0 means 300 s up to 100,000 tracks and in proportion above.",
    at_runtime=True,
)
ANALYSIS_MEMORY_MB = ENVIRONMENT.whole(
    "REPRISE_ANALYSIS_MEMORY_MB",
    default=2048,
    least=256,
    most=1_048_576,
    unit="MB",
    says="Memory ceiling of one analysis. A library that needs more is refused before it is read.",
)
ANALYSIS_THREADS = ENVIRONMENT.whole(
    "REPRISE_ANALYSIS_THREADS",
    default=2,
    least=1,
    most=256,
    unit="threads",
    says="Threads one analysis may use. The result does not depend on it.",
)
ANALYSIS_MAX_CONCURRENT = ENVIRONMENT.whole(
    "REPRISE_ANALYSIS_MAX_CONCURRENT",
    default=2,
    least=1,
    most=64,
    unit="analyses",
    says="Analyses that run at the same time; others wait in order.",
)
ANALYSIS_REUSE_HOURS = ENVIRONMENT.whole(
    "REPRISE_ANALYSIS_REUSE_HOURS",
    default=24,
    least=0,
    most=8760,
    unit="hours",
    says="A finished equal analysis younger than this is reused while the library is unchanged.",
    at_runtime=True,
)
PROGRESS_INTERVAL_SECONDS = ENVIRONMENT.number(
    "REPRISE_PROGRESS_INTERVAL_SECONDS",
    default=1,
    least=0.1,
    most=60,
    unit="seconds",
    says="Least time between two progress writes.",
)
DATABASE_RETRIES = ENVIRONMENT.whole(
    "REPRISE_DATABASE_RETRIES",
    default=3,
    least=0,
    most=20,
    unit="tries",
    says="How often a unit of work is repeated after passing database trouble.",
)
DATABASE_RETRY_SECONDS = ENVIRONMENT.number(
    "REPRISE_DATABASE_RETRY_SECONDS",
    default=0.5,
    least=0.01,
    most=60,
    unit="seconds",
    says="Wait before the first repeat; it doubles each time, with jitter.",
)
LEASE_SECONDS = ENVIRONMENT.whole(
    "REPRISE_LEASE_SECONDS",
    default=30,
    least=3,
    most=3600,
    unit="seconds",
    says="How long a worker owns a run without renewing its claim.",
)
LEASE_RENEW_SECONDS = ENVIRONMENT.whole(
    "REPRISE_LEASE_RENEW_SECONDS",
    default=10,
    least=1,
    most=1200,
    unit="seconds",
    says="How often a worker renews its claim. Must be under half of the lease.",
)
RECLAIM_TICK_SECONDS = ENVIRONMENT.whole(
    "REPRISE_RECLAIM_TICK_SECONDS",
    default=5,
    least=1,
    most=600,
    unit="seconds",
    says="How often the supervisor looks for runs whose worker died.",
)

# --- Clean-up and limits --------------------------------------------------------------------------------------------

CONFIDENCE_VERY_HIGH = ENVIRONMENT.number(
    "REPRISE_CONFIDENCE_VERY_HIGH", default=0.95, least=0.5, most=1, unit="probability", says="Very high from here."
)
CONFIDENCE_HIGH = ENVIRONMENT.number(
    "REPRISE_CONFIDENCE_HIGH", default=0.90, least=0.5, most=1, unit="probability", says="High confidence from here."
)
CONFIDENCE_MEDIUM = ENVIRONMENT.number(
    "REPRISE_CONFIDENCE_MEDIUM",
    default=0.80,
    least=0.5,
    most=1,
    unit="probability",
    says="Medium from here, low below.",
)
BULK_REMOVAL_LIMIT = ENVIRONMENT.whole(
    "REPRISE_BULK_REMOVAL_LIMIT",
    default=500,
    least=1,
    most=100_000,
    unit="tracks",
    says="Removing more tracks than this needs a previewed plan confirmed by typing its count.",
)
PRECISION_BAR_PERCENT = ENVIRONMENT.number(
    "REPRISE_PRECISION_BAR_PERCENT",
    default=1,
    least=0.01,
    most=50,
    unit="percent",
    says="Automatic resolution needs a false-match rate whose interval ends below this.",
    at_runtime=True,
)
PRECISION_LEAST_GROUPS = ENVIRONMENT.whole(
    "REPRISE_PRECISION_LEAST_GROUPS",
    default=100,
    least=10,
    most=100_000,
    unit="groups",
    says="Automatic resolution needs so many judged groups of the band, whatever the rate. A low bar needs more.",
    at_runtime=True,
)
PRECISION_DAYS = ENVIRONMENT.whole(
    "REPRISE_PRECISION_DAYS",
    default=180,
    least=1,
    most=3650,
    unit="days",
    says="Samples drawn in these last days count for the measured precision; older ones are shown apart.",
    at_runtime=True,
)
ANALYSES_PER_HOUR = ENVIRONMENT.whole(
    "REPRISE_ANALYSES_PER_HOUR",
    default=20,
    least=1,
    most=10_000,
    unit="per user and hour",
    says="How many analyses one user may start.",
    at_runtime=True,
)
EXPORTS_PER_HOUR = ENVIRONMENT.whole(
    "REPRISE_EXPORTS_PER_HOUR",
    default=10,
    least=1,
    most=10_000,
    unit="per user and hour",
    says="How many exports one user may start.",
    at_runtime=True,
)

# --- Production refuses to start half-configured --------------------------------------------------------------------


def _refuse_unsafe_production() -> None:
    problems = []
    if SECRET_KEY in ("", DEVELOPMENT_SECRET_KEY):
        problems.append("DJANGO_SECRET_KEY is not set. Give it 50 random characters or more.")
    elif len(SECRET_KEY) < SHORTEST_SECRET_KEY:
        problems.append("DJANGO_SECRET_KEY is too short. Give it 50 random characters or more.")
    if DEBUG:
        problems.append("DJANGO_DEBUG is on. Remove it.")
    if not ALLOWED_HOSTS:
        problems.append("DJANGO_ALLOWED_HOSTS is empty. Name the hosts, such as music.example.org.")
    if any("*" in host or host.startswith(".") for host in ALLOWED_HOSTS):
        problems.append("DJANGO_ALLOWED_HOSTS holds a wildcard. Name each host in full.")
    if "DATABASE_URL" not in ENVIRONMENT.given:
        problems.append("DATABASE_URL is not set. Name the database, such as postgres://USER:PASSWORD@HOST:PORT/NAME.")
    if problems:
        raise ImproperlyConfigured("Production refuses to start: " + " ".join(problems))


if IS_PRODUCTION:
    _refuse_unsafe_production()
