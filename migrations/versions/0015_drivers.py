"""Why a number moved: both sides of a comparison, and the parts that add up to the difference."""

from migrations.revision import revision as of

revision, down_revision, upgrade, downgrade = of(__file__)
