import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'tap';
import { compareVersions, isVersionIn, parseVersion } from '../../harness/kernel/source.ts';
import { readOwnSeries } from '../../harness/kernel/test-kernel.ts';
import { expectationOf } from '../../harness/trial/expectation.ts';
import { controls, realUsers } from '../../patches/controls.ts';
import { detectorChecks } from '../../patches/detector-checks.ts';
import { annotationSeries, annotationStates, ownSeries } from '../../patches/index.ts';
import { type Control, rules } from '../../patches/seeded-bugs.ts';

const guest = (name: string): string => readFileSync(join('guests/minimal', name), 'utf8');

/** The files a diff creates, by path. */
function createdFiles(diff: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const part of diff.split(/^diff --git a\/.* b\//m).slice(1)) {
    if (!/^new file mode 100644$/m.test(part)) continue;
    const hunk = part.slice(part.indexOf('\n@@'));
    const added = hunk.split('\n').flatMap((line) => (line.startsWith('+') ? [line.slice(1)] : []));
    files.set(part.slice(0, part.indexOf('\n')), `${added.join('\n')}\n`);
  }
  return files;
}

const driver = ownSeries.find(({ name }) => name === 'seeded-driver') ?? { path: '' };
const { patches: driverPatches } = await readOwnSeries(driver, new AbortController().signal);
const driverPatch = driverPatches.map(({ diff }) => diff).join('');

const body = (text: string): string => text.slice(text.indexOf('\n'));
const modesOf = (text: string): ReadonlySet<string> =>
  new Set([...text.matchAll(/^\t\[(SPLAT_MN_[A-Z_]+)\] = /gm)].map((match) => match[1] ?? ''));
const identity = ({ mode, notifier, trigger, refusals }: Control): string =>
  [mode, notifier, trigger, refusals ?? ''].join(' ');

const everySeries = [...ownSeries, ...annotationStates.flatMap((state) => annotationSeries[state])];

void test('every series of ours is mail, signed off, and complete', async (t) => {
  const folders = new Map<string, Set<string>>();
  for (const { path, from, before } of everySeries) {
    const file = /series[^/]*$/.test(path) ? path : join(path, 'series');
    const listed = readFileSync(file, 'utf8').trim().split('\n');
    const folder = dirname(file);
    const known = folders.get(folder) ?? new Set<string>();
    folders.set(folder, new Set([...known, ...listed]));
    if (before !== undefined) {
      t.ok(compareVersions(parseVersion(from), parseVersion(before)) < 0, `${path}: empty range`);
    }
    for (const name of listed) {
      const patch = readFileSync(join(folder, name), 'utf8');
      t.match(patch, /^From 0{40} /, name);
      t.match(patch, /^Subject: \[PATCH.*\] \S/m, name);
      t.match(patch, /^Signed-off-by: splat <splat@localhost>$/m, name);
    }
  }
  for (const [folder, listed] of folders) {
    const present = readdirSync(folder).filter(
      (name) => name.endsWith('.patch') && name !== '0000-cover-letter.patch',
    );
    t.strictSame(present.toSorted(), [...listed].toSorted(), folder);
  }
});

void test('a version has one series for each step to a state of the annotations', async (t) => {
  for (const state of annotationStates) {
    const steps = new Set(annotationSeries[state].map(({ name }) => name));
    for (const version of ['6.1', '6.5', '6.6', '6.12', '7.0', '7.2', '8.0'].map(parseVersion)) {
      const found = annotationSeries[state].filter((one) => isVersionIn(version, one));
      t.strictSame(
        found.map(({ name }) => name),
        [...steps],
        `${state} of ${version.join('.')}`,
      );
    }
  }
});

void test('what goes into the kernel is GPL-2.0-only and touches one line of two files of its', async (t) => {
  const created = createdFiles(driverPatch);
  t.ok(created.size > 5);
  for (const [path, text] of created) {
    t.match(text, /^(?:\/\/|\/\*|#) SPDX-License-Identifier: GPL-2\.0-only\b/, path);
    t.equal(text, readFileSync(join('patches/seeded-driver', path), 'utf8'), path);
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
    new Set([...controls, ...detectorChecks].map(({ mode }) => mode)),
  );
  const counters = createdFiles(driverPatch).get('drivers/misc/splat/counters.c') ?? '';
  for (const { mode, trigger, witness } of [...controls, ...detectorChecks]) {
    t.ok(named(trigger), `${mode}: trigger ${trigger}`);
    t.ok(counters.includes(`= "${witness}"`), `${mode}: witness ${witness}`);
  }
});

const versions = ['5.10', '5.15', '6.1', '6.3', '6.4', '6.12', '7.0', '7.2'].map(parseVersion);

void test('something is expected of every control on every version and state, and nothing in vain', async (t) => {
  const created = createdFiles(driverPatch);
  t.equal(new Set(controls.map(identity)).size, controls.length, 'no control twice');
  for (const control of controls) {
    const used = new Set(
      versions.flatMap((version) =>
        annotationStates.map((state) => expectationOf(control, version, state)),
      ),
    );
    t.equal(used.size, control.expectations.length, `${identity(control)}: all are used`);
    for (const { splats } of control.expectations) {
      for (const { title, file } of splats) {
        if (file?.startsWith('drivers/misc/splat/')) t.ok(created.has(file), `${title}: ${file}`);
      }
    }
  }
});

void test('every rule has a control, and every control a rule', async (t) => {
  const ids = rules.map(({ id }) => id);
  t.strictSame(
    ids,
    ids.map((_, at) => at + 1),
  );
  const rows = [...controls, ...realUsers].flatMap((one) => [
    one.row,
    ...('rowSince' in one && one.rowSince !== undefined ? [one.rowSince.row] : []),
  ]);
  t.strictSame(
    [...new Set(rows)].toSorted((a, b) => a - b),
    ids,
  );
  for (const control of controls) {
    const kept = rules.find(({ id }) => id === control.row)?.kept === true;
    const splats = control.expectations.flatMap((one) => one.splats);
    if (kept) t.equal(splats.length, 0, `${identity(control)}: a kept rule is silent`);
  }
});
