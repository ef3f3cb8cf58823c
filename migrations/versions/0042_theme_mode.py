"""Light or dark mode can be the client's choice, and a person's own."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
