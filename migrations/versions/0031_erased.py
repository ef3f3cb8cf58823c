"""People who were erased: how to recognise them, so that they do not come back."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
