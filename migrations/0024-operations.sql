-- What operators see and do: how a machine booted, by phase; machines that are stopped by hand; where a call was asked for,
-- and what it used.

alter table pool_runners
  -- When its provider had made the machine; started_at is when its process began, as soon as that is known.
  add column made_at timestamptz,
  add column stop_requested_at timestamptz,
  add column stop_requested_by text,
  -- How store and delivery could be reached from there, where it is another computer.
  add column reach jsonb;

-- The chart of machines reads those that lived in the last hours.
create index pool_runners_reserved_at on pool_runners (pool, reserved_at);

alter table pool_calls
  -- W3C trace context of the job that asked.
  add column traceparent text,
  -- Runs of ffmpeg and how long they took.
  add column usage jsonb;

-- Calls that ran in the last hours, for the same chart.
create index pool_calls_started_at on pool_calls (pool, started_at) where started_at is not null;
