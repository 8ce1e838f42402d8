-- People, their log-in sessions, and the links that let them in.

create extension if not exists vector;

create table users (
  id            integer generated always as identity primary key,
  email         text not null check (email = lower(email) and email like '%_@_%'),
  name          text not null check (length(name) between 1 and 100),
  password_hash text,                       -- argon2id; null until the first log-in by link
  role          text not null check (role in ('admin', 'reviewer', 'viewer')),
  disabled_at   timestamptz,
  created_at    timestamptz not null default now()
);
-- Log-in looks people up by e-mail, which is kept in lower case.
create unique index users_email on users (email);

create table sessions (
  id         text primary key,
  user_id    integer not null references users on delete cascade,
  expires_at timestamptz not null
);
-- Disabling a person or changing a password ends all of their sessions.
create index sessions_user on sessions (user_id);

-- A link that makes an account (invite) or logs an existing person in once (login).
-- Only the SHA-256 of the token is kept: a copy of this table lets nobody in.
create table access_links (
  token_hash text primary key,
  kind       text not null check (kind in ('invite', 'login')),
  role       text check (role in ('admin', 'reviewer', 'viewer')),
  user_id    integer references users on delete cascade,
  created_by integer references users on delete set null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at    timestamptz,
  check ((kind = 'invite') = (role is not null)),
  check (kind = 'invite' or user_id is not null)
);

-- Failed log-ins, for the rate limit; shared by all web nodes.
create table login_failures (
  subject text not null,                    -- 'email:…' or 'address:…'
  at      timestamptz not null default now()
);
-- The limit counts a subject's failures of the last minutes.
create index login_failures_subject_at on login_failures (subject, at);
