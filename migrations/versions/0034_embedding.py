"""Keys with which a client's own application asks for guest tokens."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
