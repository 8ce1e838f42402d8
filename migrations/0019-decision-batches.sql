-- Decisions on many clips at once: each clip has its own fact, and one command takes all of them back.

create table decision_batches (
  id            uuid primary key,           -- the command: a repeat is recognised
  actor_id      integer not null references users,
  kind          text not null check (kind in ('approve', 'skip', 'archive', 'undo', 'redo')),
  video_id      integer not null references videos on delete cascade,             -- where its actor was: undo there finds it
  clip_id       integer references clips on delete set null,                      -- the clip that the others are like
  least_percent smallint check (least_percent between 0 and 100),                 -- how alike they had to be
  session_id    integer references review_sessions on delete set null,
  reverses_id   uuid references decision_batches on delete cascade,
  created_at    timestamptz not null default now(),
  check ((kind in ('undo', 'redo')) = (reverses_id is not null))
);
-- Undo looks for a person's own on a video.
create index decision_batches_actor on decision_batches (video_id, actor_id);
-- A batch is reversed at most once.
create unique index decision_batches_reverses on decision_batches (reverses_id);

alter table decisions add column batch_id uuid references decision_batches on delete set null;
create index decisions_batch on decisions (batch_id) where batch_id is not null;
-- Where it takes several votes, the batch has cast these.
alter table clip_votes add column batch_id uuid references decision_batches on delete set null;
create index clip_votes_batch on clip_votes (batch_id) where batch_id is not null;
