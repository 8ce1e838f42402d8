-- Who did what to queues, machines, rules, people and tokens. Decisions about clips have their own history.

create table audit_log (
  id       bigint generated always as identity primary key,
  at       timestamptz not null default now(),
  -- Null for the app itself, and for people who are gone: their name stays.
  actor_id integer references users on delete set null,
  actor    text not null,
  -- A verb and its kind, such as `job.retry` or `queue.pause`.
  action   text not null,
  -- What it was done to, such as `queue:exports`.
  target   text not null,
  -- What it was and has become, and what an undo needs.
  details  jsonb not null default '{}'
);
-- The log of one thing, newest first.
create index audit_log_target on audit_log (target, id desc);
