-- One row per time that published numbers changed.
select p.client_id, p.id as publication_id, p.published_at, p.reason, p.numbers, p.restated, p.definition_version
from core.dora_publications p;
