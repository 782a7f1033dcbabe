import type { Precision } from '../base/precision.ts';
import type { Switch } from '../base/switch.ts';
import { Unfit } from '../base/unfit.ts';
import type { TensorType } from '../base/tensor-type.ts';
import { rootBindings } from './root.ts';
import { choiceOptions, middle, sameDecided } from './decisions.ts';
import type { Interval, Option } from './decisions.ts';
import { Follower } from './follow.ts';
import type { Guide } from './follow.ts';
import type { Flow, Scope, Scopes, Vector } from './follow-scope.ts';
import { Beyond } from './limits.ts';
import { finishPath } from './naming.ts';
import type { Assignment, Decided } from './assignment.ts';
import type { Binding, Scalar, Site, ValueExpr } from './expr.ts';
import type { SettingChoice } from './settings.ts';
import type { Space } from './space.ts';
import { SETTING_KEYS } from './train-table.ts';
import type { Datum } from './values.ts';

/** Who decides: a position among options, or a number within an interval. Paths are stored paths. */
export interface Decider {
  choose(path: string, options: readonly Option[], site: Site): number;
  number(path: string, interval: Interval, site: Site): number;
}

/** What makes tensors of layers. */
export type Maker<T extends { readonly type: TensorType }> = Pick<Guide<T>, 'layer' | 'vector'>;

/** A decided setting, such as an optimizer with its arguments. */
export interface DecidedSetting {
  readonly name: string;
  readonly args: Readonly<Record<string, Scalar>>;
}

/** How one candidate is trained. */
export interface TrainDecided {
  readonly data: DecidedSetting | null;
  readonly loss: DecidedSetting;
  readonly optimizer: DecidedSetting;
  readonly schedule: DecidedSetting;
  readonly batch: number;
  readonly epochs: number;
  readonly precision: Precision;
  readonly winograd: Switch;
  readonly seed: number;
}

/** One member being followed: its outputs, values and settings, each on demand. */
export interface Member<T> {
  outputs(): readonly { readonly name: string; readonly flow: Flow<T> }[];
  value(e: ValueExpr): Datum;
  train(): TrainDecided;
}

const roots = new WeakMap<Space, readonly Binding[]>();
function bindingsOf(space: Space): readonly Binding[] {
  let found = roots.get(space);
  if (!found) roots.set(space, (found = rootBindings(space)));
  return found;
}

export function followMember<T extends { readonly type: TensorType }>(
  space: Space,
  inputs: readonly T[],
  decider: Decider,
  maker: Maker<T>,
): Member<T> {
  const finished = (v: Vector): Vector => ({ ...v, path: finishPath(v.path) });
  const follower = new Follower<T>({
    choose: (path, options, site) => decider.choose(finishPath(path), options, site),
    number: (path, interval, site) => decider.number(finishPath(path), interval, site),
    vector: (vector) => maker.vector?.(finished(vector)),
    layer: (path, layer, args, given, expr, way) => {
      const vector = way.vector && finished(way.vector);
      return maker.layer(finishPath(path), layer, args, given, expr, { ...way, vector });
    },
  });
  const { scopes } = follower;
  const root = scopes.root(space, bindingsOf(space), inputs);
  return {
    outputs: () => sheltered(() => space.outputs.map((o) => ({ name: o.name, flow: follower.tensor(o.expr, root) }))),
    value: (e) => sheltered(() => scopes.value(e, root)),
    train: () => sheltered(() => trainOf(scopes, space, root)),
  };
}

// A member may be nested deeper than the stack.
function sheltered<V>(make: () => V): V {
  try {
    return make();
  } catch (e) {
    if (e instanceof RangeError) throw new Beyond('a member nested too deeply');
    throw e;
  }
}

function trainOf<T>(scopes: Scopes<T>, space: Space, root: Scope<T>): TrainDecided {
  const { train } = space;
  const scope = scopes.open(scopes.below(root, '.train', null), train.bindings, []);
  const setting = (s: SettingChoice, path: string, own: string | null): DecidedSetting => {
    const at = scopes.below(scope, path, own);
    if (s.kind === 'choice') {
      const chosen = scopes.choose(s.site, choiceOptions(s.alternatives), at);
      return setting(s.alternatives[chosen]!.expr, path, own);
    }
    const inner = scopes.below(scope, `${path}.${s.name}`, null);
    const args: Record<string, Scalar> = {};
    for (const a of s.args) {
      const value = a.value.kind === 'setting' ? null : scopes.value(a.value, inner);
      if (value === null || typeof value === 'object')
        throw new Unfit(`${s.name}: ${a.name} must be a number, a text or a truth`);
      args[a.name] = value;
    }
    return { name: s.name, args };
  };
  const decided: Record<string, DecidedSetting | null> = {};
  for (const key of SETTING_KEYS) decided[key] = train[key] ? setting(train[key], `.train.${key}`, key) : null;
  const number = (key: 'batch' | 'epochs'): number =>
    Number(scopes.value(train[key], scopes.below(scope, `.train.${key}`, key)));
  return {
    data: decided['data'] ?? null,
    loss: decided['loss']!,
    optimizer: decided['optimizer']!,
    schedule: decided['schedule']!,
    batch: number('batch'),
    epochs: number('epochs'),
    precision: train.precision,
    winograd: train.winograd,
    seed: train.seed,
  };
}

/** A decision that an assignment does not make. */
export class Undecided extends Error {
  override readonly name = 'Undecided';
  readonly path: string;
  readonly options: readonly Option[] | Interval;
  readonly site: Site;
  constructor(path: string, options: readonly Option[] | Interval, site: Site) {
    super(`${path} is not decided`);
    this.path = path;
    this.options = options;
    this.site = site;
  }
}

const show = (v: Decided): string => (typeof v === 'object' ? `[${v.join(', ')}]` : String(v));

/** Decides as assigned. What is missing throws Undecided, or takes its first alternative where `defaults`. `met` collects the paths. */
export function byAssignment(
  assignment: Assignment,
  options: { readonly defaults?: boolean; readonly met?: Set<string> } = {},
): Decider {
  return {
    choose: (path, choices, site) => {
      options.met?.add(path);
      const wanted = assignment[path];
      if (wanted === undefined) {
        if (options.defaults) return 0;
        throw new Undecided(path, choices, site);
      }
      const at = choices.findIndex((o) => sameDecided(wanted, o.value));
      if (at >= 0) return at;
      const known = choices.slice(0, 12).map((o) => show(o.value));
      throw new Unfit(
        `${path} has no alternative ${show(wanted)}`,
        `one of ${known.join(', ')}${choices.length > 12 ? ', …' : ''}`,
        show(wanted),
      );
    },
    number: (path, interval, site) => {
      options.met?.add(path);
      const wanted = assignment[path];
      if (wanted === undefined) {
        if (options.defaults) return middle(interval);
        throw new Undecided(path, interval, site);
      }
      if (typeof wanted === 'number' && wanted >= interval.low && wanted <= interval.high) return wanted;
      throw new Unfit(`${path} is outside its range`, `${interval.low}..${interval.high}`, show(wanted));
    },
  };
}
