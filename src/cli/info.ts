import { info as nativeInfo } from '../native/native.ts';
import { OPS } from '../ops/index.ts';
import { VERSION } from '../version.ts';
import type { CommandDef } from './command.ts';
import { EXIT } from './io.ts';

export const info: CommandDef = {
  options: [],
  run: (io) => {
    const native = nativeInfo();
    const ops = OPS.filter((op) => !op.alias).map((op) => ({
      name: op.name,
      cpu: native.ops.includes(op.name),
      cuda: false,
    }));
    const facts = {
      version: VERSION,
      node: process.versions.node,
      isa: native.isa,
      bf16: native.bf16,
      threads: native.threads,
      devices: [{ name: 'cpu' }],
      ops,
    };
    if (io.json) io.data(facts);
    else {
      const { dim } = io.colors;
      const line = (name: string, value: string): void => io.out(`${dim(name.padEnd(8))} ${value}`);
      line('tenon', facts.version);
      line('node', facts.node);
      line('isa', `${native.isa} (of ${native.isas.join(', ')})`);
      line('bf16', native.bf16 ? 'by instructions of its own' : 'on f32 instructions, slower than f32');
      line('threads', String(native.threads));
      line('devices', 'cpu');
      line('ops', `${ops.length}: ${ops.map((o) => o.name).join(' ')}`);
    }
    return Promise.resolve(EXIT.done);
  },
};
