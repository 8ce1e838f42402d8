-- Talk about the picture: comments and drawings on frames, tags and ratings on clips.
-- Ids of comments and drawings are chosen by the client, so that sending one twice is harmless.

create table comments (
  id          uuid primary key,
  video_id    integer not null references videos on delete cascade,
  parent_id   uuid references comments on delete cascade,     -- the comment that a reply belongs to
  author_id   integer not null references users,
  start_frame integer not null check (start_frame >= 0),
  end_frame   integer not null check (end_frame > start_frame),
  body        text not null check (length(body) between 1 and 4000),
  mentions    integer[] not null default '{}',
  created_at  timestamptz not null default now(),
  edited_at   timestamptz,
  resolved_at timestamptz,
  resolved_by integer references users on delete set null,
  deleted_at  timestamptz,
  check (parent_id is null or resolved_at is null)            -- a thread is resolved as a whole
);
-- A video's page shows all of its comments in the order of the film.
create index comments_video on comments (video_id, start_frame) where deleted_at is null;
create index comments_parent on comments (parent_id);
-- A person's mentions, newest first.
create index comments_mentions on comments using gin (mentions) where deleted_at is null;

create table comment_reactions (
  comment_id uuid not null references comments on delete cascade,
  user_id    integer not null references users on delete cascade,
  emoji      text not null check (length(emoji) between 1 and 16),
  at         timestamptz not null default now(),
  primary key (comment_id, user_id, emoji)
);

create table drawings (
  id         uuid primary key,
  video_id   integer not null references videos on delete cascade,
  frame      integer not null check (frame >= 0),
  author_id  integer not null references users,
  tool       text not null check (tool in ('pen', 'arrow', 'box')),
  color      text not null check (color ~ '^#[0-9a-f]{6}$'),
  points     real[] not null,                                 -- x, y, x, y …, as shares of the picture
  created_at timestamptz not null default now(),
  removed_at timestamptz
);
-- A video's page shows all of its drawings.
create index drawings_video on drawings (video_id, frame) where removed_at is null;

create table clip_tags (
  clip_id    integer not null references clips on delete cascade,
  tag        text not null check (tag = lower(tag) and length(tag) between 1 and 40),
  created_by integer references users on delete set null,
  created_at timestamptz not null default now(),
  primary key (clip_id, tag)
);

create table clip_ratings (
  clip_id integer not null references clips on delete cascade,
  user_id integer not null references users on delete cascade,
  stars   integer not null check (stars between 1 and 5),
  primary key (clip_id, user_id)
);
