"""Superset's settings for Pulse. The parts with logic are in the package pulse_superset; secrets come from the environment."""

import hashlib
import hmac
import sys
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pulse import environ, languages
from pulse.languages import ENGLISH
from pulse_superset import guests, web
from pulse_superset.branding import HOUSE, Theme, bootstrap_overrides
from pulse_superset.connections import mutate_connection
from pulse_superset.eventlog import EventLogger
from pulse_superset.security import PulseSecurityManager
from pulse_superset.sessions import LIFETIME_SECONDS

_state = environ.STATE.get()
_https = environ.SUPERSET_PUBLIC_URL.get().startswith("https://")

SECRET_KEY = environ.SUPERSET_SECRET_KEY.get()
DATA_DIR = str(_state / "superset")  # else in the account's home, which may not be writable
SQLALCHEMY_DATABASE_URI = environ.SUPERSET_DB_URL.get()
SQLALCHEMY_ENGINE_OPTIONS = {"pool_pre_ping": True, "pool_size": 8, "max_overflow": 8}

# --- who may log in
CUSTOM_SECURITY_MANAGER = PulseSecurityManager
FLASK_APP_MUTATOR = web.install
AUTH_USER_REGISTRATION = False
PUBLIC_ROLE_LIKE = None
FAB_API_SWAGGER_UI = False
FAB_ADD_SECURITY_API = True
PERMANENT_SESSION_LIFETIME = timedelta(seconds=LIFETIME_SECONDS)
JWT_ACCESS_TOKEN_EXPIRES = timedelta(minutes=30)
JWT_REFRESH_TOKEN_EXPIRES = timedelta(seconds=LIFETIME_SECONDS)
JWT_TOKEN_LOCATION = ["headers"]
FAB_API_KEY_ENABLED = False
# Guessing is slowed down by account (pulse_superset.throttle), and requests take turns by person (pulse_superset.turns):
# Superset's own limits count by address, and many people may share one.
RATELIMIT_ENABLED = False
AUTH_RATE_LIMITED = False
SESSION_COOKIE_NAME = "pulse_superset"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = _https
WTF_CSRF_ENABLED = True
WTF_CSRF_TIME_LIMIT = LIFETIME_SECONDS
ENABLE_PROXY_FIX = False  # pulse_superset.edge believes known proxies only


def _derived(purpose: str) -> str:
    """A secret of its own for a purpose: who learns it can sign nothing else."""
    return hmac.new(SECRET_KEY.encode(), purpose.encode(), hashlib.sha256).hexdigest()


# Embedding (docs/embedding.md): pulse_superset.guests makes and reads the tokens.
GUEST_TOKEN_JWT_SECRET = _derived("guest token")
GUEST_TOKEN_JWT_AUDIENCE = guests.AUDIENCE
GUEST_TOKEN_JWT_EXP_SECONDS = guests.LIFETIME_SECONDS
GUEST_TOKEN_HEADER_NAME = guests.HEADER
GUEST_TOKEN_VALIDATOR_HOOK = guests.no_other_token
GLOBAL_ASYNC_QUERIES_JWT_SECRET = _derived("asynchronous queries")

EVENT_LOGGER = EventLogger()

# --- what a page may load: nothing from another host. Handlebars charts compile their templates with new Function(),
# which needs 'unsafe-eval'; scripts must still carry the page's nonce.
TALISMAN_ENABLED = True
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "form-action": ["'self'"],
        "frame-ancestors": ["'self'", *filter(None, [environ.AIRFLOW_PUBLIC_URL.get()])],
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'", "data:"],
        "script-src": ["'self'", "'strict-dynamic'", "'unsafe-eval'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "referrer_policy": "strict-origin-when-cross-origin",
    "force_https": False,  # the proxy in front of Superset redirects
    "strict_transport_security": _https,
    "session_cookie_secure": _https,
}
THEME_FONT_URL_ALLOWED_DOMAINS: list[str] = []
ENABLE_CORS = False
DECKGL_BASE_MAP = None
HTML_SANITIZATION = True
HTML_SANITIZATION_SCHEMA_EXTENSIONS = {"attributes": {"*": ["className", "title", "ariaLabel", "role"]}}

# --- whose rows a query reads
DB_CONNECTION_MUTATOR = mutate_connection
SQLLAB_CTAS_NO_LIMIT = False
PREVENT_UNSAFE_DB_CONNECTIONS = True
FEATURE_FLAGS = {
    "ALLOW_ADHOC_SUBQUERY": False,
    "ENABLE_TEMPLATE_PROCESSING": False,
    "RLS_IN_SQLLAB": True,
    "CACHE_QUERY_BY_USER": True,
    "DRILL_BY": False,
    "DRILL_TO_DETAIL": False,
    "EMBEDDED_SUPERSET": True,
    "EMBEDDABLE_CHARTS": False,
    "CSS_TEMPLATES": False,
    "MENU_HIDE_USER_INFO": True,
    "DASHBOARD_VIRTUALIZATION": True,
}
ROW_LIMIT = 5000
SQL_MAX_ROW = 20000
SUPERSET_WEBSERVER_TIMEOUT = 60
_MORE_DISALLOWED = {
    "set_config",
    "current_setting",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "schema_to_xml",
    "schema_to_xmlschema",
    "schema_to_xml_and_xmlschema",
    "database_to_xml_and_xmlschema",
    "query_to_xml",
    "table_to_xml",
    "dblink",
    "dblink_exec",
    "dblink_connect",
    "lo_import",
    "lo_export",
    "lo_get",
    "lo_put",
    "lo_from_bytea",
    "pg_read_file",
    "pg_read_binary_file",
    "pg_ls_dir",
    "pg_stat_file",
    "pg_sleep",
    "pg_sleep_for",
    "pg_notify",
    "pg_cancel_backend",
    "pg_terminate_backend",
    "pg_advisory_lock",
    "session_user",
    "current_user",
}
_MORE_TABLES = {"pg_stats", "pg_stat_all_tables", "pg_database", "pg_auth_members", "pg_policies", "pg_proc"}

# --- caches: files, shared by the workers of this machine; with several Supersets, Redis. Answers and states of filters are in
# a place for each client.


def _cache(name: str, seconds: int, *, by_client: bool = True, most: int = 500) -> dict[str, object]:
    kind = "by_client" if by_client else "of_redis" if environ.REDIS_URL.given() else None
    return {
        "CACHE_TYPE": f"pulse_superset.client_cache.{kind}" if kind else "FileSystemCache",
        "CACHE_DEFAULT_TIMEOUT": seconds,
        **(
            {"CACHE_REDIS_URL": environ.REDIS_URL.get(), "CACHE_KEY_PREFIX": f"cache:{name}:"}
            if environ.REDIS_URL.given()
            else {"CACHE_DIR": str(_state / "superset" / "cache" / name), "CACHE_THRESHOLD": most}
        ),
    }


CACHE_CONFIG = _cache("app", 300, by_client=False, most=20000)
DATA_CACHE_CONFIG = _cache("data", 3600)
FILTER_STATE_CACHE_CONFIG = _cache("filters", 86400 * 7) | {"REFRESH_TIMEOUT_ON_RETRIEVAL": True}
EXPLORE_FORM_DATA_CACHE_CONFIG = _cache("explore", 86400)
THUMBNAIL_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}

# --- how it looks
APP_NAME = HOUSE.app_name
THEME_DEFAULT = Theme(dark=False)
THEME_DARK = Theme(dark=True)
ENABLE_UI_THEME_ADMINISTRATION = False
COMMON_BOOTSTRAP_OVERRIDES_FUNC = bootstrap_overrides
FAVICONS = [{"href": "/pulse/icon.svg"}]
LOGO_TOOLTIP = ""
DASHBOARD_AUTO_REFRESH_MODE = "fetch"
DASHBOARD_AUTO_REFRESH_INTERVALS = [
    [0, "Do not refresh"],
    [20, "Every 20 seconds"],
    [60, "Every minute"],
    [300, "Every 5 minutes"],
]
TALISMAN_DEV_CONFIG = TALISMAN_CONFIG
WELCOME_PAGE_LAST_TAB = "all"
BABEL_DEFAULT_LOCALE = ENGLISH
LANGUAGES = {name: {"flag": name, "name": name} for name in languages.LANGUAGES}  # declared: nobody picks one


def _merge_deny_lists() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    from superset import config

    functions, tables = dict(config.DISALLOWED_SQL_FUNCTIONS), dict(config.DISALLOWED_SQL_TABLES)
    functions["postgresql"] = functions["postgresql"] | _MORE_DISALLOWED
    tables["postgresql"] = tables["postgresql"] | _MORE_TABLES
    return functions, tables


# In 6.1 these apply to SQL Lab only. What counts are the database's own grants and policies; this is a sign at the door.
DISALLOWED_SQL_FUNCTIONS, DISALLOWED_SQL_TABLES = _merge_deny_lists()
