import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import type { OpDef } from '../../src/ir/op.ts';
import { GENERATED } from './names.ts';

/** An op and where it is written down. */
export interface OpExport {
  readonly op: OpDef;
  readonly exported: string;
  readonly file: string;
}

/** `src/ops/index.ts`: the ops in the order of their numbers. */
export async function opIndex(found: readonly OpExport[]): Promise<string> {
  const files = [...new Set(found.map((f) => f.file))].sort();
  const imports = files.map((file) => {
    const names = found.filter((f) => f.file === file).map((f) => f.exported);
    return `import { ${names.sort().join(', ')} } from './${file}';`;
  });
  const text = `// ${GENERATED}
import type { OpDef } from '../ir/op.ts';
${imports.join('\n')}

/** Every op in the order of its number in a plan. */
export const OPS: readonly OpDef[] = [${found.map((f) => f.exported).join(', ')}];
`;
  return pretty(text, 'typescript');
}

export async function pretty(text: string, parser: 'typescript' | 'markdown'): Promise<string> {
  const beside = fileURLToPath(new URL('../../src/ops/index.ts', import.meta.url));
  return format(text, { ...(await resolveConfig(beside)), parser });
}
