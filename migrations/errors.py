"""The one exception of the migrations."""


class MigrateError(Exception):
    """The database cannot be brought to this version; the message says why and what to do. Nothing was changed."""
