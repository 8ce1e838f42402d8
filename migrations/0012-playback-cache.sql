-- Playback files lie on the disk of the machine that made them: which machine has which, and how its cache stands.

create table playback_caches (
  id             text primary key,           -- the machine, or the disk where there is no machine id
  seen_at        timestamptz not null default now(),
  file_count     integer not null default 0,
  size_bytes     bigint not null default 0,
  limit_bytes    bigint not null default 0,
  disk_free_bytes bigint not null default 0,
  made_count     bigint not null default 0,
  evicted_count  bigint not null default 0
);

create table playback_files (
  cache_id    text not null references playback_caches on delete cascade,
  clip_id     integer not null references clips on delete cascade,
  start_frame integer not null,
  end_frame   integer not null,
  size_bytes  bigint not null,
  made_at     timestamptz not null default now(),
  -- A page asks by clip who has its file.
  primary key (clip_id, start_frame, end_frame, cache_id)
);
-- A sweep of one cache removes its own rows.
create index playback_files_cache on playback_files (cache_id);
