// Preloaded by NODE_OPTIONS: writes what a process loaded to the file LOADED, a line each.
import { appendFileSync } from 'node:fs';
import { createRequire, register } from 'node:module';

const hooks = `import { appendFileSync } from 'node:fs';
export async function resolve(name, context, next) {
  const found = await next(name, context);
  appendFileSync(${JSON.stringify(process.env['LOADED'])}, found.url + '\\n');
  return found;
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
process.on('exit', () => {
  const cache = Object.keys(createRequire(import.meta.url).cache);
  appendFileSync(process.env['LOADED'], cache.join('\n') + '\n');
});
