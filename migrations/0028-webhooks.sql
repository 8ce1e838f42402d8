-- Addresses that are told of what happens, and each thing that they are told.

create table webhooks (
  id              integer generated always as identity primary key,
  url             text not null,
  description     text not null default '',
  events          text[] not null check (cardinality(events) > 0),
  -- The signing secret follows from the seed and SECRET_KEY_BASE: a copy of this table signs nothing.
  seed            uuid not null default gen_random_uuid(),
  -- After a rotation both secrets sign, for a while.
  previous_seed   uuid,
  previous_until  timestamptz,
  is_enabled      boolean not null default true,
  -- Why it was disabled, where the app did it.
  disabled_reason text,
  -- Attempts in a row that failed, and since when: an address that is down is left alone for a while, in the end for good.
  failure_count   integer not null default 0,
  failing_since   timestamptz,
  resume_at       timestamptz,
  created_by      integer references users on delete set null,
  created_at      timestamptz not null default now()
);

-- Rows are added in the transaction that makes true what they tell of.
create table webhook_deliveries (
  id              bigint generated always as identity primary key,
  webhook_id      integer not null references webhooks on delete cascade,
  -- By this the receiver knows a repeat.
  message_id      uuid not null default gen_random_uuid(),
  event           text not null,
  payload         jsonb not null,
  state           text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
  attempts        jsonb not null default '[]',
  next_attempt_at timestamptz not null default now(),
  created_at      timestamptz not null default now()
);
-- A webhook's log, newest first.
create index webhook_deliveries_log on webhook_deliveries (webhook_id, id desc);
-- The dispatcher looks for deliveries whose job was lost.
create index webhook_deliveries_pending on webhook_deliveries (next_attempt_at) where state = 'pending';
