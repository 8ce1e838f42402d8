-- What colours clips have, and the images that people search with.

create table clip_colors (
  clip_id     integer primary key references clips on delete cascade,
  video_id    integer not null references videos on delete cascade,
  start_frame integer not null,             -- of which frames, as of clip_stills
  end_frame   integer not null,
  strategy    text not null,                -- how they were found and weighed; another one makes them anew
  palette     jsonb not null,               -- [{"color": "#rrggbb", "share": 0…1}], the largest share first
  signature   halfvec(181) not null,        -- see core/color.ts: its inner product with a colour's vector is that colour's share
  made_at     timestamptz not null default now()
);
-- Removing a video removes them.
create index clip_colors_video on clip_colors (video_id);
-- Search by colour in a large library; small enough to build up row by row.
create index clip_colors_near on clip_colors using hnsw (signature halfvec_ip_ops);

create table search_images (
  id         text primary key check (id ~ '^[0-9a-f]{32}$'),  -- of its bytes: the same image is the same search
  thumbnail  bytea not null,                                  -- WebP, written by us: what people send is never kept
  model_id   integer not null references embedding_models on delete cascade,
  embedding  halfvec not null,
  expires_at timestamptz not null
);
-- The sweep looks for what has expired.
create index search_images_expires on search_images (expires_at);
