-- Durable events, numbered without gaps per topic, and the signal that they are there.

create table topics (
  topic text primary key,
  seq   bigint not null default 0
);

create table events (
  topic    text not null references topics,
  seq      bigint not null,
  type     text not null,
  payload  jsonb not null,
  actor_id integer references users on delete set null,
  at       timestamptz not null default now(),
  primary key (topic, seq)
);

-- Adds an event. The row of `topics` stays locked until the transaction ends, which is what
-- makes numbers appear in commit order. The notification carries the payload when it fits
-- (NOTIFY allows 8000 bytes), else the listener reads the row.
create function publish_event(event_topic text, event_type text, event_payload jsonb, event_actor integer)
returns bigint language plpgsql as $$
declare
  next_seq bigint;
  message jsonb;
begin
  insert into topics (topic, seq) values (event_topic, 1)
    on conflict (topic) do update set seq = topics.seq + 1
    returning seq into next_seq;
  insert into events (topic, seq, type, payload, actor_id)
    values (event_topic, next_seq, event_type, event_payload, event_actor);
  message := jsonb_build_object('topic', event_topic, 'seq', next_seq);
  if octet_length(event_payload::text) < 6000 then
    message := message || jsonb_build_object(
      'type', event_type, 'payload', event_payload, 'actorId', event_actor, 'at', now());
  end if;
  perform pg_notify('heaters_events', message::text);
  return next_seq;
end $$;
