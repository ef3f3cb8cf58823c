"""Settings of FAB's own pages (sign-in, accounts). Airflow reads this file by its path: [fab] config_file."""

# pulse.access.throttle slows guessing down; this one would lock out everybody behind one address.
AUTH_RATE_LIMITED = False
SESSION_COOKIE_SAMESITE = "Lax"
WTF_CSRF_ENABLED = True
FAB_PASSWORD_COMPLEXITY_ENABLED = True
