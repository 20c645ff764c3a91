import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const main = `#include "cgroup.h"
int main(int argc, char **argv) { return argc == 2 && cgroup_kill(argv[1]) ? 0 : 1; }
`;

/** Compiles a program for the host that kills a cgroup as the guest's agent does, and returns its path. */
function compileKill(dir: string): string {
  writeFileSync(join(dir, 'main.c'), main);
  const sources = ['cgroup.c', 'files.c'].map((name) => join('guests/minimal', name));
  const out = join(dir, 'kill');
  const flags = ['-std=c11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-Iguests/minimal'];
  execFileSync('gcc', [...flags, '-o', out, join(dir, 'main.c'), ...sources]);
  return out;
}

/** Starts a process that would run for long. */
function startLong() {
  const child = spawn('sleep', ['100'], { stdio: 'ignore' });
  return { pid: child.pid, ended: once(child, 'exit') };
}

void t.test(
  'without cgroup.kill (before 5.14), all processes of a cgroup are killed',
  async (t) => {
    const dir = t.testdir();
    const kill = compileKill(dir);
    const run = (): boolean => {
      try {
        execFileSync(kill, [join(dir, 'trial')]);
        return true;
      } catch {
        return false;
      }
    };
    const children = [startLong(), startLong(), startLong()];
    const [one, two, three] = children.map(({ pid }) => pid);
    mkdirSync(join(dir, 'trial', 'program', 'deep'), { recursive: true });
    // A file longer than one read; the second number is cut by the end of the first read.
    const text = `${one}\n`.padEnd(510, '\n') + `${two}\n`;
    writeFileSync(join(dir, 'trial', 'cgroup.procs'), '');
    writeFileSync(join(dir, 'trial', 'program', 'cgroup.procs'), text);
    writeFileSync(join(dir, 'trial', 'program', 'deep', 'cgroup.procs'), `${three}\n`);
    t.notOk(run(), 'those that were killed may have started others');
    for (const { ended } of children) t.strictSame(await ended, [null, 'SIGKILL']);
    for (const below of ['program', 'program/deep']) {
      writeFileSync(join(dir, 'trial', below, 'cgroup.procs'), '');
    }
    t.ok(run(), 'none is left');
    writeFileSync(join(dir, 'trial', 'cgroup.kill'), '');
    writeFileSync(join(dir, 'trial', 'cgroup.procs'), '999999999\n');
    t.ok(run(), 'with cgroup.kill, the kernel does it');
  },
);
