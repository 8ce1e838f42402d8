-- A vote that is cast again still remembers the command that once took it back: repeated, that command takes back nothing more.
alter table clip_votes add column is_withdrawn boolean not null default false;
update clip_votes set is_withdrawn = true where withdrawn_by is not null;
