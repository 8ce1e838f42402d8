-- What clips mean, as vectors of a model. Several models lie side by side; a search asks one of them.
-- Each model's index over its vectors is built by the worker, online: see stores/embeddings.ts.

create extension if not exists vector;

create table embedding_models (
  id         integer generated always as identity primary key,
  name       text not null,
  version    text not null,                 -- made of the weights: others are another model
  dimensions integer not null check (dimensions between 1 and 4000),
  created_at timestamptz not null default now(),
  unique (name, version)
);

create table clip_embeddings (
  clip_id     integer not null references clips on delete cascade,
  model_id    integer not null references embedding_models on delete cascade,
  video_id    integer not null references videos on delete cascade,
  start_frame integer not null,             -- of which frames: after a moved cut it is of others, and is made anew
  end_frame   integer not null,
  strategy    text not null,                -- how pictures become one vector
  embedding   halfvec not null,             -- a unit vector; half precision changes no rank that anyone sees
  made_at     timestamptz not null default now(),
  primary key (model_id, clip_id)
);
-- Removing a clip or a video removes them.
create index clip_embeddings_clip on clip_embeddings (clip_id);
create index clip_embeddings_video on clip_embeddings (video_id);
