-- Table core.dora_definitions: the settings behind a definition_version, so that a number can be reproduced.
-- Grain: one row per definition_version.
select definition_version, g as settings, time_zone from settings
