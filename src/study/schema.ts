/** Version of the study file; a file of a newer version is refused. */
export const STUDY_VERSION = 1;

/**
 * study: one row; `revision` is the program that it was last run with. revisions: each text of the program. trials: one row each; `attempts` counts deaths of workers,
 * `aside` says why a trial does not count for the program as it is now. metrics: by (trial, attempt, epoch, name); epoch 0 holds the final figures. events: every ask and
 * tell in order, from which a searcher is rebuilt. tests: every look at the test set.
 */
export const SCHEMA = `
create table revisions (
  revision integer primary key,
  hash text not null unique,
  file text not null,
  source text not null,
  created text not null
);
create table study (
  id integer primary key check (id = 1),
  version integer not null,
  tenon text not null,
  created text not null,
  space text not null,
  seed integer not null,
  data_hash text not null,
  objectives text not null,
  searcher text not null,
  revision integer not null references revisions,
  holder text
);
create table trials (
  trial integer primary key,
  revision integer not null references revisions,
  state text not null check (state in ('waiting', 'running', 'complete', 'failed', 'pruned')),
  aside text,
  cause text,
  message text,
  decisions text not null,
  key text not null,
  program text not null,
  measures text not null,
  seed integer not null,
  attempts integer not null default 0,
  lease text,
  device text,
  started text,
  ended text,
  seconds real
);
create unique index trials_that_count on trials (key) where aside is null;
create index trials_by_state on trials (state);
create table metrics (
  trial integer not null references trials,
  attempt integer not null,
  epoch integer not null,
  name text not null,
  value real,
  primary key (trial, attempt, epoch, name)
) without rowid;
create table events (
  sequence integer primary key autoincrement,
  kind text not null check (kind in ('ask', 'tell')),
  trial integer not null references trials
);
create table tests (
  trial integer primary key references trials,
  metrics text not null,
  created text not null
);
`;
