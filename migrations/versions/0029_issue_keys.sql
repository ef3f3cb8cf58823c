-- An issue of a project without a key cannot be an item of work: it becomes a reject when it is read, and stops nothing later.

alter table core.issues add constraint issues_key_of_project check (project_id is null or key is not null) not valid;
