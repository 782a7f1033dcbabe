// Builds the addon with cmake-js into build/Release/tenon.node; does nothing where it is fresh. Used by `npm install`,
// `npm run build` and binding.gyp. Further arguments go to cmake-js (`--CDNAME=value`). TENON_VERBOSE=1 shows everything.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const release = join(root, 'build', 'Release');
const addon = join(release, 'tenon.node');
const stamp = join(release, 'tenon.stamp');
const lock = join(root, 'build', 'lock');
const say = (text) => console.error(`tenon: ${text}`);

const firstLine = (exe) => spawnSync(exe, ['--version'], { encoding: 'utf8' }).stdout?.split('\n')[0] || null;
const compilers = process.env.CXX ? [process.env.CXX.split(' ')[0]] : ['c++', 'g++', 'clang++'];
const compiler = () => compilers.map(firstLine).find((line) => line !== null) ?? null;

function* files(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else yield path;
  }
}

// Of everything that decides what the binary is: sources, version, compiler and its settings.
function fingerprint(compilerVersion) {
  const hash = createHash('sha256');
  for (const path of [...files(join(root, 'cpp')), join(root, 'CMakeLists.txt')].sort()) {
    hash.update(`${relative(root, path)}\0`).update(readFileSync(path));
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { CXX, CXXFLAGS } = process.env;
  const settings = [version, compilerVersion, process.platform, process.arch, CXX, CXXFLAGS, process.argv.slice(2)];
  return hash.update(JSON.stringify(settings)).digest('hex');
}

const isFresh = (print) => existsSync(addon) && existsSync(stamp) && readFileSync(stamp, 'utf8') === print;

function complainAboutMissing(missing) {
  say(
    `no prebuilt binary for ${process.platform}-${process.arch}, and it cannot be compiled here: missing ${missing.join(' and ')}.`,
  );
  say('  Debian/Ubuntu: sudo apt-get install cmake g++ make      macOS: xcode-select --install && brew install cmake');
  say('  Then run `npm install` again, or `npm run build:native` in a clone.');
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

// One build at a time in a folder; a lock left by a dead process is taken over.
function takeLock() {
  mkdirSync(dirname(lock), { recursive: true });
  for (let waited = 0; ; waited++) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      process.on('exit', () => rmSync(lock, { force: true }));
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const owner = existsSync(lock) ? Number(readFileSync(lock, 'utf8')) : 0;
    if (owner > 0 && !isAlive(owner)) rmSync(lock, { force: true });
    if (waited === 0) say('waiting for another build of the addon');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250);
  }
}

function build(print) {
  const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  const args = [cmakeJs, 'build', '--directory', root, '--out', join(root, 'build', 'cmake')];
  args.push(`--CDCMAKE_LIBRARY_OUTPUT_DIRECTORY=${release}`, ...process.argv.slice(2));
  if (!process.env.TENON_VERBOSE) args.push('--log-level', 'error');
  const env = { CMAKE_BUILD_PARALLEL_LEVEL: String(availableParallelism()), ...process.env };
  const start = Date.now();
  rmSync(stamp, { force: true });
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', cwd: root, env });
  if (status !== 0) {
    say('the native build failed (see above)');
    process.exit(status || 1);
  }
  writeFileSync(stamp, print);
  say(`addon built in ${((Date.now() - start) / 1000).toFixed(1)} s`);
}

const version = compiler();
const print = fingerprint(version);
if (!isFresh(print)) {
  const missing = [];
  if (firstLine('cmake') === null) missing.push('cmake (3.22 or later)');
  if (version === null) missing.push('a C++20 compiler (g++ 11 or clang++ 14, or later)');
  if (missing.length > 0) {
    complainAboutMissing(missing);
    process.exit(1);
  }
  takeLock();
  if (!isFresh(print)) build(print);
}
