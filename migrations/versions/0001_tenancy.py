"""The clients, what each of them declared, and who is asking."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
