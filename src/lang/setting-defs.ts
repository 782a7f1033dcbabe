import type { ArgDef } from '../ir/layer.ts';
import { SOURCES } from '../data/sources.ts';
import { LOSSES } from '../recipes/losses.ts';
import { OPTIMIZERS } from '../recipes/optimizers.ts';
import { SCHEDULES } from '../recipes/schedules.ts';
import { SEARCHERS } from '../search/index.ts';

export type SettingGroup = 'loss' | 'optimizer' | 'schedule' | 'data' | 'searcher' | 'stop';

/** A setting of `train` or `search`: its arguments have domains and defaults as those of layers. */
export interface SettingDef {
  readonly name: string;
  readonly group: SettingGroup;
  readonly doc: string;
  readonly args: readonly ArgDef[];
  /** False: a part of the language that cannot be run yet. */
  readonly supported: boolean;
}

interface Row {
  readonly name: string;
  readonly doc: string;
  readonly args: readonly ArgDef[];
}

const rows = (group: SettingGroup, table: ReadonlyMap<string, Row>): readonly SettingDef[] =>
  [...table.values()].map(({ name, doc, args }) => ({ name, group, doc, args, supported: true }));

const later = (group: SettingGroup, ...names: readonly string[]): readonly SettingDef[] =>
  names.map((name) => ({ name, group, doc: '', args: [], supported: false }));

const supported: readonly SettingDef[] = [
  ...rows('data', SOURCES),
  ...rows('loss', LOSSES),
  ...rows('optimizer', OPTIMIZERS),
  ...rows('schedule', SCHEDULES),
  ...rows('searcher', SEARCHERS),
];

const planned: readonly SettingDef[] = [
  ...later('data', 'npz'),
  ...later('searcher', 'hillclimb', 'smbo', 'tpe', 'boshnas', 'nsga2', 'gradient'),
  ...later('stop', 'hyperband', 'asha', 'median'),
];

/** Everything that may stand as a value in `train` and `search`. */
export const SETTINGS: ReadonlyMap<string, SettingDef> = new Map([...planned, ...supported].map((s) => [s.name, s]));

/** Names of one group that can be used. */
export const settingNames = (group: SettingGroup): readonly string[] =>
  supported.filter((s) => s.group === group).map((s) => s.name);
