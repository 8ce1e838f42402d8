-- How each web node and worker sees the world, as it says itself every few seconds.

create table process_reports (
  id          uuid primary key,
  role        text not null,
  host        text not null,
  pid         integer not null,
  started_at  timestamptz not null,
  reported_at timestamptz not null default now(),
  report      jsonb not null
);
