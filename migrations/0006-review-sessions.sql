-- Reviewing together: sessions over stretches of videos, who takes part, who holds which clip.
-- (`sessions` is the log-in; a review session is never called just a session in SQL.)

create table review_sessions (
  id           integer generated always as identity primary key,
  title        text not null check (length(title) between 1 and 200),
  mode         text not null check (mode in ('together', 'divide')),
  votes_needed integer not null default 1 check (votes_needed between 1 and 9),
  lead_id      integer references users on delete set null,   -- whose playhead the others follow
  created_by   integer references users on delete set null,
  created_at   timestamptz not null default now(),
  resumed_at   timestamptz default now(),                     -- start of the sitting under way; null once ended
  worked_ms    bigint not null default 0                      -- length of the earlier sittings
);

-- What a session is about: stretches of frames, so that it still holds after splits and merges.
create table review_session_spans (
  session_id  integer not null references review_sessions on delete cascade,
  video_id    integer not null references videos on delete cascade,
  start_frame integer not null check (start_frame >= 0),
  end_frame   integer not null check (end_frame > start_frame),
  primary key (session_id, video_id, start_frame)
);
-- Deleting a video takes its spans along.
create index review_session_spans_video on review_session_spans (video_id);

create table review_session_members (
  session_id integer not null references review_sessions on delete cascade,
  user_id    integer not null references users on delete cascade,
  role       text not null check (role in ('host', 'reviewer', 'viewer')),
  joined_at  timestamptz not null default now(),
  removed_at timestamptz,                                     -- set when a host removed them: a link lets them in no more
  primary key (session_id, user_id)
);
-- The list of one's own sessions.
create index review_session_members_user on review_session_members (user_id) where removed_at is null;

-- Links into a session; only the SHA-256 of a token is kept.
create table review_session_invites (
  token_hash text primary key,
  session_id integer not null references review_sessions on delete cascade,
  role       text not null check (role in ('reviewer', 'viewer')),
  created_by integer references users on delete set null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz
);
-- A session's host sees its links.
create index review_session_invites_session on review_session_invites (session_id);

-- Divide and conquer: who holds which clip. One holder a clip and session, by the key.
create table clip_claims (
  session_id integer not null references review_sessions on delete cascade,
  clip_id    integer not null references clips on delete cascade,
  user_id    integer not null references users on delete cascade,
  expires_at timestamptz not null,
  primary key (session_id, clip_id)
);
-- A person's own claims are read and renewed together.
create index clip_claims_user on clip_claims (session_id, user_id);

-- Consensus: one vote a person and clip. It counts while the clip has the version that was voted on.
create table clip_votes (
  session_id integer not null references review_sessions on delete cascade,
  clip_id    integer not null references clips on delete cascade,
  user_id    integer not null references users on delete cascade,
  version    integer not null,
  choice     text not null check (choice in ('approve', 'skip', 'archive')),
  at         timestamptz not null default now(),
  is_withdrawn boolean not null default false,                -- taken back by its voter
  withdrawn_by uuid,                                          -- the command that did: repeated, also after a new vote, it takes back nothing more
  primary key (session_id, clip_id, user_id)
);

-- Where a decision was made: what a session's summary counts.
alter table decisions add column session_id integer references review_sessions on delete set null;
create index decisions_session on decisions (session_id) where session_id is not null;
