-- The runner pool's ledger: what may run, the machines, the calls, and why it grew and shrank.

create table pools (
  name             text primary key,
  min_machines     integer not null default 0 check (min_machines >= 0),
  max_machines     integer not null default 5 check (max_machines >= min_machines),
  -- Calls that one machine runs side by side.
  concurrency      integer not null default 1 check (concurrency >= 1),
  idle_shutdown_ms integer not null default 30000 check (idle_shutdown_ms >= 0),
  boot_deadline_ms integer not null default 90000 check (boot_deadline_ms > 0),
  -- A runner that has not been heard of for so long has lost its calls.
  lease_ms         integer not null default 30000 check (lease_ms > 0),
  cpu_kind         text not null default 'performance' check (cpu_kind in ('shared', 'performance')),
  cpus             integer not null default 2 check (cpus > 0),
  memory_mb        integer not null default 4096 check (memory_mb > 0),
  -- The largest guest that an out-of-memory call is tried on.
  max_memory_mb    integer not null default 16384,
  -- In order of preference; empty for the parent's own.
  regions          text[] not null default '{}',
  -- Of a calendar month, UTC; null for no cap.
  spend_cap_usd    numeric(10, 2),
  is_paused        boolean not null default false,
  -- At least one machine until then: someone is about to upload.
  warm_until       timestamptz,
  -- The image that new machines boot; runners of another one leave after their call.
  image            text,
  boot_failures    integer not null default 0,
  boot_retry_at    timestamptz,
  -- Why the pool is as it is, in a sentence for people.
  explanation      text not null default ''
);
insert into pools (name) values ('media');

-- One row for each machine there has ever been. A slot is taken until its machine is known to be gone:
-- this index is what keeps the maximum, however many parents there are.
create table pool_runners (
  id               bigint generated always as identity primary key,
  pool             text not null references pools,
  slot             integer not null check (slot >= 1),
  -- Counts the machines of a slot; with pool and slot it is the machine's name, and so its key.
  epoch            integer not null,
  state            text not null default 'reserved' check (state in ('reserved', 'booting', 'ready', 'draining', 'gone')),
  backend          text not null,
  machine_id       text,
  region           text,
  image            text,
  cpu_kind         text not null,
  cpus             integer not null,
  memory_mb        integer not null,
  token_hash       bytea,
  -- `name@version` of each task that it can run.
  tasks            text[] not null default '{}',
  -- Who sees to its boot; another parent takes over when this lapses.
  booted_by        text,
  boot_lease_until timestamptz,
  checked_at       timestamptz not null default now(),
  reserved_at      timestamptz not null default now(),
  requested_at     timestamptz,
  -- Since when the machine costs money, as its provider says.
  started_at       timestamptz,
  ready_at         timestamptz,
  lease_until      timestamptz,
  idle_since       timestamptz,
  draining_at      timestamptz,
  left_at          timestamptz,
  gone_at          timestamptz,
  busy_ms          bigint not null default 0,
  -- Why it ended, in a sentence; null for as it should.
  failure          text,
  unique (pool, slot, epoch)
);
create unique index pool_runners_slot on pool_runners (pool, slot) where state <> 'gone';
create index pool_runners_gone_at on pool_runners (pool, gone_at);

create sequence pool_fences;

-- Work for a pool. Whoever holds the fence of a running call may write to it, and nobody else.
create table pool_calls (
  id          bigint generated always as identity primary key,
  pool        text not null references pools,
  -- The job that asks: a job that is tried again attaches to the call of its first attempt.
  idem_key    text not null unique,
  -- What it is about, such as `video:12`: all its calls are cancelled together.
  subject     text,
  task        text not null,
  version     integer not null,
  input       jsonb not null,
  priority    integer not null default 0,
  memory_mb   integer not null default 0,
  timeout_ms  integer not null,
  state       text not null default 'queued' check (state in ('queued', 'running', 'done', 'failed', 'cancelled', 'committed')),
  attempt     integer not null default 0,
  runner_id   bigint references pool_runners,
  fence       bigint,
  deadline_at timestamptz,
  cancel_at   timestamptz,
  not_before  timestamptz not null default now(),
  progress    jsonb,
  output      jsonb,
  error       text,
  is_refusal  boolean not null default false,
  created_at  timestamptz not null default now(),
  started_at  timestamptz,
  finished_at timestamptz,
  check (state <> 'running' or (runner_id is not null and fence is not null))
);
create index pool_calls_queued on pool_calls (pool, priority desc, id) where state = 'queued';
create index pool_calls_subject on pool_calls (subject) where state in ('queued', 'running');
create index pool_calls_running on pool_calls (runner_id) where state = 'running';
create index pool_calls_finished_at on pool_calls (finished_at) where state in ('done', 'failed', 'cancelled', 'committed');

-- Every growth and shrink with its reason.
create table pool_events (
  id        bigint generated always as identity primary key,
  at        timestamptz not null default now(),
  pool      text not null references pools,
  kind      text not null,
  runner_id bigint references pool_runners,
  call_id   bigint,
  message   text not null
);
create index pool_events_pool on pool_events (pool, id desc);

-- What all parents together may ask of the provider: the theoretical arrival time of each limit (GCRA).
create table pool_api_limits (
  name       text primary key,
  arrival_at timestamptz not null
);

-- Attempts that failed, as against those whose worker was lost: only these use up a stage's retries.
alter table stage_runs add column failures integer not null default 0;
