-- Source videos, the cuts in them, and the clips between the cuts.
-- Frames are the truth: every position is an integer frame of the constant-frame-rate
-- proxy, spans are half-open [start_frame, end_frame).

create table videos (
  id              integer generated always as identity primary key,
  title           text not null check (length(title) between 1 and 300),
  file_name       text not null,
  source_url      text,                     -- null for an upload
  source_key      text,                     -- where the original lies in the object store
  source_sha256   text,
  source_bytes    bigint,
  state           text not null check (state in
                    ('downloading', 'downloaded', 'encoding', 'encoded', 'detecting', 'ready', 'failed')),
  failed_stage    text,
  error           text,
  width           integer,
  height          integer,
  frame_rate_num  integer check (frame_rate_num > 0),
  frame_rate_den  integer check (frame_rate_den > 0),
  frame_count     integer check (frame_count > 0),
  duration_ms     integer,
  has_audio       boolean,
  proxy_key       text,
  master_key      text,
  thumbnail_key   text,
  scenes          jsonb,                    -- what detection found and with which parameters
  created_by      integer references users on delete set null,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  check ((state = 'failed') = (error is not null))
);
-- The same content twice is recognised; two uploads racing are decided here.
create unique index videos_source_sha256 on videos (source_sha256);
-- The dispatcher looks for videos that have stopped on their way.
create index videos_unfinished on videos (state) where state not in ('ready', 'failed');

-- How each stage of a video or clip stands: one row a stage, latest value wins.
create table stage_runs (
  item_kind   text not null check (item_kind in ('video', 'clip')),
  item_id     integer not null,
  video_id    integer not null references videos on delete cascade,
  stage       text not null,
  state       text not null check (state in ('queued', 'running', 'done', 'failed')),
  attempt     integer not null default 0,
  percent     real,
  fps         real,
  eta_ms      integer,
  error       text,
  queued_at   timestamptz not null default now(),
  started_at  timestamptz,
  finished_at timestamptz,
  primary key (item_kind, item_id, stage)
);
-- A video's page shows all of its stages.
create index stage_runs_video on stage_runs (video_id);

create table cuts (
  video_id   integer not null references videos on delete cascade,
  frame      integer not null check (frame > 0),
  kind       text not null check (kind in ('cut', 'dissolve', 'fade', 'manual')),
  score      real,
  created_by integer references users on delete set null,
  created_at timestamptz not null default now(),
  primary key (video_id, frame)
);

create table clips (
  id            integer generated always as identity primary key,
  video_id      integer not null references videos on delete cascade,
  start_frame   integer not null check (start_frame >= 0),
  end_frame     integer not null check (end_frame > start_frame),
  state         text not null default 'pending' check (state in
                  ('pending', 'approved', 'skipped', 'archived')),
  group_id      integer,                    -- the id of the group's first clip
  version       integer not null default 1,
  superseded_at timestamptz,                -- set when a split or merge replaced this clip
  decided_by    integer references users on delete set null,
  decided_at    timestamptz,
  export_state  text not null default 'none' check (export_state in
                  ('none', 'queued', 'exporting', 'exported', 'failed')),
  export_key    text,
  export_bytes  bigint,
  export_error  text,
  created_at    timestamptz not null default now(),
  -- Live clips of a video never overlap. Video and frame are packed into one int8range,
  -- so that the constraint needs no extension beside the built-in range types.
  constraint clips_never_overlap exclude using gist (
    int8range(video_id * 4294967296 + start_frame, video_id * 4294967296 + end_frame) with &&
  ) where (superseded_at is null)
);
-- The review queue reads a video's live clips in source order.
create index clips_live on clips (video_id, start_frame) where superseded_at is null;
-- The exports page lists what is on its way or failed.
create index clips_exports on clips (export_state) where export_state <> 'none';

-- Live clips leave no gap: checked when the transaction commits, so that a split or merge
-- may pass through states in between.
create function check_clips_partition() returns trigger language plpgsql as $$
declare
  checked_video_id integer := coalesce(new.video_id, old.video_id);
  covered bigint;
  cut_count bigint;
  clip_count bigint;
  total integer;
begin
  select frame_count into total from videos where id = checked_video_id;
  if not found then return null; end if;
  select sum(end_frame - start_frame), count(*) into covered, clip_count
    from clips where video_id = checked_video_id and superseded_at is null;
  select count(*) into cut_count from cuts where video_id = checked_video_id;
  if clip_count = 0 and cut_count = 0 then return null; end if;
  if covered is distinct from total
     or exists (select from clips where video_id = checked_video_id and superseded_at is null and end_frame > total)
     or clip_count <> cut_count + 1
     or exists (select from clips c where c.video_id = checked_video_id and c.superseded_at is null and c.start_frame > 0
                and not exists (select from cuts where video_id = c.video_id and frame = c.start_frame)) then
    raise exception 'clips of video % do not partition [0, %): % frames covered by % clips with % cuts',
      checked_video_id, total, covered, clip_count, cut_count
      using errcode = 'integrity_constraint_violation';
  end if;
  return null;
end $$;

create constraint trigger clips_partition_video after insert or update of start_frame, end_frame, superseded_at or delete
  on clips deferrable initially deferred for each row execute function check_clips_partition();
create constraint trigger cuts_partition_video after insert or update or delete
  on cuts deferrable initially deferred for each row execute function check_clips_partition();
