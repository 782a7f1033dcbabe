/** Version of the study file; a file of a newer version is refused. */
export const STUDY_VERSION = 1;

/**
 * study: one row. trials: one row each; `attempts` counts deaths of workers. metrics: by (trial, attempt, epoch, name); epoch 0 holds the final figures.
 * events: every ask and tell in order, from which a searcher is rebuilt. revisions: each text of the program that this study was run with.
 */
export const SCHEMA = `
create table study (
  id integer primary key check (id = 1),
  version integer not null,
  tenon text not null,
  created text not null,
  space text not null,
  seed integer not null,
  settings text not null,
  data_hash text not null,
  test_trial integer,
  test_metrics text,
  holder text
);
create table revisions (
  revision integer primary key,
  hash text not null unique,
  file text not null,
  source text not null,
  created text not null
);
create table trials (
  trial integer primary key,
  revision integer not null references revisions,
  state text not null check (state in ('waiting', 'running', 'complete', 'failed', 'pruned')),
  cause text,
  message text,
  decisions text not null,
  key text not null unique,
  program text not null,
  measures text not null,
  seed integer not null,
  attempts integer not null default 0,
  lease text,
  started text,
  ended text,
  seconds real
);
create table metrics (
  trial integer not null references trials,
  attempt integer not null,
  epoch integer not null,
  name text not null,
  value real,
  primary key (trial, attempt, epoch, name)
);
create table events (
  sequence integer primary key autoincrement,
  kind text not null check (kind in ('ask', 'tell')),
  trial integer not null references trials
);
create index trials_by_state on trials (state);
`;
