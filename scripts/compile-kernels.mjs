// dist/kernels.code: what this V8 makes of dist/kernels.script.js, with the functions that a first call needs, so that a process need not compile them.
// Used by `npm run build`, and by `npm install` of a package that was built elsewhere.
import { existsSync, rmSync, writeFileSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const filename = join(folder, 'kernels.script.js');
const code = join(folder, 'kernels.code');

function compiled() {
  const script = new Script(readFileSync(filename, 'latin1'), { filename });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(filename), module, filename, folder);
  firstCalls(module.exports);
  return script.createCachedData();
}

function firstCalls({ hadamardSync, kronecker, tensor }) {
  hadamardSync({ x: tensor([1, 2]) });
  const x = tensor([[1, 2]]);
  const { y, ctx } = kronecker.linearSync({ x, A: kronecker.algebra('complex'), F: tensor([[[1]], [[2]]]) });
  kronecker.backwardSync(ctx, { dy: y });
}

rmSync(code, { force: true });
if (existsSync(filename)) writeFileSync(code, compiled());
