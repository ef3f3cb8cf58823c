-- Which types of integrations there are is what the folders of the sources say (pulse.source_types): a Variable with another
-- type is refused. Databases from before that have a list here.
alter table core.integrations drop constraint if exists integrations_integration_type_check;
