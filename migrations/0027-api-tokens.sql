-- Tokens by which programs act for a person. Only the SHA-256 is kept: a copy of this table lets nobody in.

create table api_tokens (
  id              integer generated always as identity primary key,
  user_id         integer not null references users on delete cascade,
  name            text not null check (length(name) between 1 and 100),
  token_hash      text not null,
  scopes          text[] not null check (cardinality(scopes) > 0),
  rate_per_minute integer not null default 600 check (rate_per_minute between 1 and 6000),
  -- The rate limit's whole memory (GCRA): the moment up to which requests are used up. One minute's worth may come at once.
  used_until      timestamptz not null default now(),
  created_at      timestamptz not null default now(),
  expires_at      timestamptz not null,
  last_used_at    timestamptz,
  revoked_at      timestamptz
);
-- Each request looks its token up.
create unique index api_tokens_hash on api_tokens (token_hash);
-- A person's page lists their own.
create index api_tokens_user on api_tokens (user_id);
