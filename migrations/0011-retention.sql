-- Deletion with a grace time, masters in an archive, and what is kept for how long.

alter table videos
  add column deleted_at timestamptz,
  add column deleted_by integer references users on delete set null,
  add column is_master_restoring boolean not null default false,
  -- By a rule of the library; the keys are null then.
  add column source_removed_at timestamptz,
  add column master_removed_at timestamptz;
-- The sweep looks for what has been deleted long enough.
create index videos_deleted on videos (deleted_at) where deleted_at is not null;

create table library_settings (
  is_only       boolean primary key default true check (is_only),
  grace_days    integer not null default 7 check (grace_days between 0 and 365),
  original_days integer check (original_days >= 1),     -- null: for ever
  master_days   integer check (master_days >= 1),
  restore_days  integer not null default 7 check (restore_days between 1 and 90),
  updated_by    integer references users on delete set null,
  updated_at    timestamptz not null default now()
);
insert into library_settings default values;
