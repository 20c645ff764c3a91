import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import { compareVersions, parseVersion } from '../../harness/kernel/source.ts';
import { ownSeries } from '../../patches/index.ts';
import { type Control, controls } from '../../patches/seeded-bugs.ts';

const guest = (name: string): string => readFileSync(join('guests/minimal', name), 'utf8');

/** The files a mail-formatted patch creates, by path. */
function createdFiles(patch: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const part of patch.split(/^diff --git a\/.* b\//m).slice(1)) {
    if (!/^new file mode 100644$/m.test(part)) continue;
    const hunk = part.slice(part.indexOf('\n@@'));
    const added = hunk.split('\n').flatMap((line) => (line.startsWith('+') ? [line.slice(1)] : []));
    files.set(part.slice(0, part.indexOf('\n')), `${added.join('\n')}\n`);
  }
  return files;
}

const driverDir = ownSeries.find(({ name }) => name === 'seeded-driver')?.dir ?? '';
const driverPatch = readdirSync(driverDir)
  .filter((name) => name.endsWith('.patch'))
  .toSorted()
  .map((name) => readFileSync(join(driverDir, name), 'utf8'))
  .join('');

const body = (text: string): string => text.slice(text.indexOf('\n'));
const modesOf = (text: string): ReadonlySet<string> =>
  new Set([...text.matchAll(/^\t\[(SPLAT_MN_[A-Z_]+)\] = /gm)].map((match) => match[1] ?? ''));
const identity = ({ mode, notifier, trigger, refusals }: Control): string =>
  [mode, notifier, trigger, refusals ?? ''].join(' ');

void test('every series of ours is mail, signed off, and complete', async (t) => {
  for (const { dir, from, before } of ownSeries) {
    const listed = readFileSync(join(dir, 'series'), 'utf8').trim().split('\n');
    const present = readdirSync(dir).filter((name) => name.endsWith('.patch'));
    t.strictSame(listed, present.toSorted(), dir);
    if (before !== undefined) {
      t.ok(compareVersions(parseVersion(from), parseVersion(before)) < 0, `${dir}: empty range`);
    }
    for (const name of listed) {
      const patch = readFileSync(join(dir, name), 'utf8');
      t.match(patch, /^From 0{40} /, name);
      t.match(patch, /^Subject: \[PATCH.*\] \S/m, name);
      t.match(patch, /^Signed-off-by: splat <splat@localhost>$/m, name);
    }
  }
});

void test('what goes into the kernel is GPL-2.0-only and touches one line of two files of its', async (t) => {
  const created = createdFiles(driverPatch);
  t.ok(created.size > 5);
  for (const [path, text] of created) {
    t.match(text, /^(?:\/\/|\/\*|#) SPDX-License-Identifier: GPL-2\.0-only\b/, path);
  }
  const changed = [...driverPatch.matchAll(/^diff --git a\/(\S+) /gm)]
    .map((match) => match[1] ?? '')
    .filter((path) => !created.has(path));
  t.strictSame(changed, ['drivers/misc/Kconfig', 'drivers/misc/Makefile']);
});

void test("the guest's copy of the ABI is the driver's, but for the licence line", async (t) => {
  const ours = guest('splat_mn.h');
  const theirs = createdFiles(driverPatch).get('drivers/misc/splat/splat_mn.h') ?? '';
  t.equal(body(ours), body(theirs));
  t.match(ours, /^\/\* SPDX-License-Identifier: MIT \*\//);
});

void test('driver, guest program and table know the same modes, triggers and counters', async (t) => {
  const bugs = createdFiles(driverPatch).get('drivers/misc/splat/bugs.c') ?? '';
  const program = guest('controls.c');
  t.strictSame(modesOf(program), modesOf(bugs));

  const named = (name: string): boolean => program.includes(`{ "${name}", `);
  const modeNames = [...program.matchAll(/^\t\[SPLAT_MN_[A-Z_]+\] = \{ "([a-z-]+)"/gm)];
  t.strictSame(
    new Set(modeNames.map((match) => match[1])),
    new Set(controls.map(({ mode }) => mode)),
  );
  const counters = createdFiles(driverPatch).get('drivers/misc/splat/counters.c') ?? '';
  for (const { mode, trigger, witness } of controls) {
    t.ok(named(trigger), `${mode}: trigger ${trigger}`);
    t.ok(counters.includes(`= "${witness}"`), `${mode}: witness ${witness}`);
  }
});

void test('expectations of a control cover every version once, and name files of the driver that exist', async (t) => {
  const created = createdFiles(driverPatch);
  t.equal(new Set(controls.map(identity)).size, controls.length, 'no control twice');
  for (const control of controls) {
    const ends = control.expectations.map(({ before }) => before);
    const starts = control.expectations.map(({ from }) => from);
    t.equal(starts[0], '5.10', identity(control));
    t.strictSame(starts.slice(1), ends.slice(0, -1), `${identity(control)}: no gap`);
    t.equal(ends.at(-1), undefined, identity(control));
    for (const { splats } of control.expectations) {
      for (const { title, file } of splats) {
        if (file?.startsWith('drivers/misc/splat/')) t.ok(created.has(file), `${title}: ${file}`);
      }
    }
  }
});
