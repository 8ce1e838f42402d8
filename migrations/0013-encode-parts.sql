-- A long source is encoded in parts by several runners. These rows are there until the parts are joined.

create table encode_plans (
  video_id         integer primary key references videos on delete cascade,
  frame_rate_num   integer not null check (frame_rate_num > 0),
  frame_rate_den   integer not null check (frame_rate_den > 0),
  has_audio        boolean not null,
  proxy_sound_key  text,                      -- the sound is encoded once, beside the parts
  master_sound_key text,
  created_at       timestamptz not null default now()
);

create table encode_parts (
  video_id    integer not null references encode_plans on delete cascade,
  start_frame integer not null check (start_frame >= 0),
  end_frame   integer check (end_frame > start_frame),  -- null for the last one until it is encoded
  proxy_key   text,                           -- null until it is encoded
  master_key  text,
  width       integer,
  height      integer,
  cuts        jsonb,
  params      jsonb,
  head_digest text,
  tail_digest text,
  primary key (video_id, start_frame)
);
