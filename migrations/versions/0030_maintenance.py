"""When the servers were last backed up, and problems of the installation as a whole."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
