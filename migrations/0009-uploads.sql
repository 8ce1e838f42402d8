-- Uploads whose bytes go from the browser straight to the object store, by parts.

create table uploads (
  id              uuid primary key,
  owner_id        integer not null references users on delete cascade,
  video_id        integer not null unique,    -- reserved: the video's row is made when the upload is whole
  key             text not null unique,
  store_upload_id text not null,              -- the object store's own name for it
  file_name       text not null,
  size_bytes      bigint not null check (size_bytes > 0),
  part_bytes      integer not null check (part_bytes > 0),
  modified_at_ms  bigint not null,            -- of the file, in the browser: with name and size it tells the same file again
  state           text not null default 'sending' check (state in ('sending', 'taken', 'done', 'duplicate', 'refused')),
  message         text,                       -- why it was refused
  duplicate_of    integer,
  created_at      timestamptz not null default now(),
  check ((state = 'refused') = (message is not null)),
  check ((state = 'duplicate') = (duplicate_of is not null))
);
-- A page asks for what its person has left unfinished, and a chosen file for its own upload.
create index uploads_unfinished on uploads (owner_id, file_name, size_bytes) where state = 'sending';

-- What the browser has announced of each part; the store has compared what arrived with it.
create table upload_parts (
  upload_id   uuid not null references uploads on delete cascade,
  part_number integer not null check (part_number between 1 and 10000),
  sha256      text not null check (length(sha256) = 44),
  primary key (upload_id, part_number)
);
