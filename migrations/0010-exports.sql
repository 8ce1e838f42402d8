-- How clips are exported and what their files are called. One row: the library has one way at a time.
create table export_settings (
  is_only       boolean primary key default true check (is_only),
  source        text not null default 'proxy' check (source in ('proxy', 'master')),
  name_template text not null default '{title} {timecode} #{clip}',
  updated_by    integer references users on delete set null,
  updated_at    timestamptz not null default now()
);
insert into export_settings default values;

alter table clips
  -- What the clip's file is, or is to be, cut from; null: as the settings say when its export runs.
  add column export_source text check (export_source in ('proxy', 'master'));
