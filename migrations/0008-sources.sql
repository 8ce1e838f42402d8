-- What a source was, and how its own timecode counts.
alter table videos
  add column start_timecode_frame integer not null default 0 check (start_timecode_frame >= 0),
  add column is_drop_frame boolean,             -- null: as usual at the frame rate
  add column source_facts jsonb;
