-- The pictures that represent a clip. They are of its frames: a clip whose frames are others than
-- these waits for new ones, and gets the old ones back when its frames come back by undo.

create table clip_stills (
  clip_id     integer primary key references clips on delete cascade,
  video_id    integer not null references videos on delete cascade,
  start_frame integer not null,
  end_frame   integer not null,
  strategy    text not null,                -- how the frames were chosen; another one makes them anew
  frames      integer[] not null check (cardinality(frames) > 0),
  tile_count  integer not null check (tile_count > 0),
  width       integer not null check (width > 0),
  height      integer not null check (height > 0),
  blurhash    text not null,
  made_at     timestamptz not null default now()
);
-- Removing a video removes them.
create index clip_stills_video on clip_stills (video_id);
