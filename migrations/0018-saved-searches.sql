-- Searches that somebody has given a name, and what each person has seen of them.

create table saved_searches (
  id         uuid primary key,              -- chosen by who saves it: sent twice, it is saved once
  owner_id   integer not null references users on delete cascade,
  name       text not null check (char_length(name) between 1 and 80),
  query      text not null check (char_length(query) <= 2000),  -- as the page's address has it
  image_id   text references search_images, -- kept as long as the search needs it
  is_shared  boolean not null,
  created_at timestamptz not null default now(),
  deleted_at timestamptz                    -- it can be brought back until the sweep takes it
);
-- A page lists one's own and those that are shared.
create index saved_searches_owner on saved_searches (owner_id) where deleted_at is null;
create index saved_searches_shared on saved_searches (id) where is_shared and deleted_at is null;
-- The sweep of images looks for those that a search needs.
create index saved_searches_image on saved_searches (image_id) where image_id is not null;

create table saved_search_seen (
  search_id uuid not null references saved_searches on delete cascade,
  user_id   integer not null references users on delete cascade,
  clip_ids  integer[] not null,             -- what it found when they looked last; what else it finds is new
  primary key (search_id, user_id)
);
-- Deleting a person removes them.
create index saved_search_seen_user on saved_search_seen (user_id);
