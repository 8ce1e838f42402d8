-- A program that asks twice for the same new session gets the one that was made: it names its command, as decisions do.

alter table review_sessions add column command_id uuid;
create unique index review_sessions_command on review_sessions (command_id);
