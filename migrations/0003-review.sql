-- What reviewers did. A row is a fact and never changes: undo adds another fact.

create table decisions (
  id            integer generated always as identity primary key,
  video_id      integer not null references videos on delete cascade,
  actor_id      integer not null references users,
  command_id    uuid not null,              -- chosen by the client: a repeated command is recognised
  kind          text not null check (kind in
                  ('approve', 'skip', 'archive', 'reopen', 'group', 'merge', 'split', 'move-cut', 'undo', 'redo')),
  before_clips  jsonb not null,             -- the clips that it replaced or changed, as they were
  after_clips   jsonb not null,             -- the same span as it left it
  before_cuts   integer[] not null,         -- cut frames inside the span, before and after
  after_cuts    integer[] not null,
  reverses_id   integer references decisions,
  created_at    timestamptz not null default now(),
  check ((kind in ('undo', 'redo')) = (reverses_id is not null))
);
create unique index decisions_command on decisions (command_id);
-- Undo looks for the latest decision of one person on one video.
create index decisions_actor on decisions (video_id, actor_id, id desc);
-- A decision is reversed at most once.
create unique index decisions_reverses on decisions (reverses_id);
