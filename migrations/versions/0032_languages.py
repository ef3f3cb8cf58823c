"""Texts in the reader's language."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
