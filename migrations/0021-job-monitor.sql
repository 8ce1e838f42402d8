-- What people see of the job queues and how they steer them. The jobs themselves are pg-boss's.

-- One row a queue that differs from what the code says.
create table queue_settings (
  queue       text primary key,
  is_paused   boolean not null default false,
  -- Jobs that one process runs side by side; null for what the code says.
  concurrency integer check (concurrency between 1 and 64)
);

-- A process that works on queues, as it says itself.
create table job_workers (
  id           uuid primary key,
  host         text not null,
  pid          integer not null,
  role         text not null,
  version      text not null,
  -- Which queues, and how many jobs of each it runs side by side: {"exports": 8}.
  queues       jsonb not null,
  started_at   timestamptz not null default now(),
  heartbeat_at timestamptz not null default now()
);

-- Each time that a process has begun a job.
create table job_attempts (
  id         bigint generated always as identity primary key,
  job_id     uuid not null,
  queue      text not null,
  number     integer not null,
  -- Not a reference: an attempt outlives its process.
  worker_id  uuid not null,
  host       text not null,
  pid        integer not null,
  started_at timestamptz not null default now(),
  ended_at   timestamptz,
  -- released: its process stopped and the job went on elsewhere; lost: its process was gone.
  outcome    text check (outcome in ('done', 'failed', 'cancelled', 'released', 'lost')),
  error      text,
  check ((ended_at is null) = (outcome is null))
);
create index job_attempts_job on job_attempts (job_id, id);
-- Who works on what right now.
create index job_attempts_running on job_attempts (worker_id) where ended_at is null;
create index job_attempts_started_at on job_attempts (started_at);

-- What a job's attempts have logged.
create table job_log (
  id         bigint generated always as identity primary key,
  job_id     uuid not null,
  attempt_id bigint not null,
  at         timestamptz not null,
  level      smallint not null,
  message    text not null,
  fields     jsonb not null default '{}'
);
create index job_log_job on job_log (job_id, id);
create index job_log_at on job_log using brin (at);

-- What jobs have become, added by triggers on pg-boss's table and folded into counts and statistics once a
-- second. Rows and no counters, so that transactions never wait for each other here.
create table job_changes (
  id         bigint generated always as identity primary key,
  at         timestamptz not null default now(),
  queue      text not null,
  from_state text,
  to_state   text,
  job_count  integer not null,
  -- How long they waited or ran, as a step of the scale in core/job-statistics.ts.
  wait_bin   smallint,
  run_bin    smallint,
  -- Some of them, for the pages that show them.
  job_ids    uuid[] not null
);

create table job_counts (
  queue     text not null,
  state     text not null,
  job_count bigint not null,
  primary key (queue, state)
);

-- What happened in each minute and each hour.
create table job_statistics (
  grain     text not null check (grain in ('minute', 'hour')),
  queue     text not null,
  at        timestamptz not null,
  added     integer not null,
  done      integer not null,
  failed    integer not null,
  retried   integer not null,
  cancelled integer not null,
  -- How many waited or ran for how long: {"12": 3}, by step of the scale.
  wait_bins jsonb not null,
  run_bins  jsonb not null,
  primary key (grain, at, queue)
);

create function merge_bins(one jsonb, other jsonb) returns jsonb language sql immutable as $$
  select coalesce(jsonb_object_agg(bin, total), '{}')
  from (select key as bin, sum(value::int) as total
        from (select * from jsonb_each_text(one) union all select * from jsonb_each_text(other)) as bins group by key) as merged
$$;

-- Jobs that an action has changed, and how they were: what an undo needs.
create table job_action_items (
  audit_id bigint not null references audit_log on delete cascade,
  job_id   uuid not null,
  queue    text not null,
  before   jsonb not null,
  primary key (audit_id, job_id)
);

-- Calls of the runner pool by the job that made them; a key is the job's id, or the id and a name after a colon.
create index pool_calls_job on pool_calls (split_part(idem_key, ':', 1));
-- The whole audit log by who did it.
create index audit_log_actor on audit_log (actor, id desc);

-- A step of a scale on which each is a fifth longer than the one before; null for no time.
create function duration_bin(duration interval) returns smallint language sql immutable as $$
  select floor(4 * ln(greatest(0, extract(epoch from duration)::float8 * 1000) + 1) / ln(2))::smallint
$$;

-- What a job's list is searched by.
create function job_text(data jsonb, output jsonb) returns tsvector language sql immutable as $$
  select jsonb_to_tsvector('simple', coalesce(data, '{}'), '["string", "numeric"]') || jsonb_to_tsvector('simple', coalesce(output, '{}'), '["string"]')
$$;

create function note_jobs_inserted() returns trigger language plpgsql as $$
begin
  -- pg-boss lets a job fail by deleting and inserting it: it comes back to wait again, or failed.
  insert into job_changes (queue, to_state, job_count, run_bin, job_ids)
    select name, state, count(*), run_bin, (array_agg(id))[1:50]
    from (select name, state::text, id,
                 case when state in ('retry', 'failed') then duration_bin(coalesce(completed_on, now()) - started_on) end as run_bin
          from inserted) as job
    group by name, state, run_bin;
  return null;
end $$;

create function note_jobs_updated() returns trigger language plpgsql as $$
begin
  insert into job_changes (queue, from_state, to_state, job_count, wait_bin, run_bin, job_ids)
    select name, from_state, to_state, count(*), wait_bin, run_bin, (array_agg(id))[1:50]
    from (select n.name, n.id, o.state::text as from_state, n.state::text as to_state,
                 case when n.state = 'active' then duration_bin(n.started_on - greatest(n.created_on, n.start_after)) end as wait_bin,
                 case when o.state = 'active' and n.completed_on is not null then duration_bin(n.completed_on - n.started_on) end as run_bin
          from updated_from o join updated_to n on n.name = o.name and n.id = o.id
          where n.state <> o.state) as job
    group by name, from_state, to_state, wait_bin, run_bin;
  return null;
end $$;

create function note_jobs_deleted() returns trigger language plpgsql as $$
begin
  insert into job_changes (queue, from_state, job_count, job_ids)
    select name, state::text, count(*), (array_agg(id))[1:50] from deleted group by name, state;
  return null;
end $$;

-- Watches pg-boss's table from now on, and indexes it for the lists of the monitor. Called after pg-boss has made or
-- changed its schema; harmless to repeat.
create function watch_jobs() returns void language plpgsql as $$
declare
  watched text;
begin
  create index if not exists heaters_jobs_newest on pgboss.job_common (created_on desc, id desc);
  create index if not exists heaters_jobs_state on pgboss.job_common (state, created_on desc, id desc);
  create index if not exists heaters_jobs_queue_state on pgboss.job_common (name, state, created_on desc, id desc);
  create index if not exists heaters_jobs_video on pgboss.job_common (((data ->> 'videoId')::int), created_on desc, id desc);
  create index if not exists heaters_jobs_text on pgboss.job_common using gin (job_text(data, output));
  if exists (select from pg_trigger where tgrelid = 'pgboss.job_common'::regclass and tgname = 'heaters_jobs_inserted') then
    return;
  end if;
  -- Nobody changes a job between the count and the first change that is noted.
  lock table pgboss.job in share row exclusive mode;
  -- A statement fires the triggers of the table that it names: pg-boss names either.
  foreach watched in array array['job', 'job_common'] loop
    execute format('create trigger heaters_jobs_inserted after insert on pgboss.%I
      referencing new table as inserted for each statement execute function note_jobs_inserted()', watched);
    execute format('create trigger heaters_jobs_updated after update on pgboss.%I
      referencing old table as updated_from new table as updated_to for each statement execute function note_jobs_updated()', watched);
    execute format('create trigger heaters_jobs_deleted after delete on pgboss.%I
      referencing old table as deleted for each statement execute function note_jobs_deleted()', watched);
  end loop;
  delete from job_changes;
  delete from job_counts;
  insert into job_counts (queue, state, job_count) select name, state::text, count(*) from pgboss.job group by name, state;
end $$;
