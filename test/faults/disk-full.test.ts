import { readdirSync, writeFileSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import t, { type Test } from 'tap';
import { dice } from '../../bench/dice.ts';
import { cacheRoot } from '../../harness/host/store.ts';
import { root } from '../e2e/splat.ts';
import {
  brokenJson,
  complaintsOf,
  faultSeed,
  filesBelow,
  type Home,
  halfEntries,
  leftOvers,
  openHome,
  runIn,
} from './home.ts';
import { type Mounts, mountSmall, openMounts } from './small-disk.ts';

const flags = ['run', '--workload', 'munmap', '--duration', '1', '--seed', '7'];
const guests = join(root, 'test', 'faults', 'guests');

/** How many KiB the files below a folder take on their file system; another file system may need more or fewer. */
async function usedKib(path: string): Promise<number> {
  const { stdout } = await execa('du', ['--summarize', '--block-size=1024', path]);
  return Number.parseInt(stdout, 10);
}

/** Checks that the run printed one clear line and exited with 128, and that it left no incomplete file and nothing else. */
async function checkTold(
  t: Test,
  home: Home,
  done: Awaited<ReturnType<typeof runIn>>,
  about: string,
  says: RegExp,
): Promise<void> {
  t.equal(done.exitCode, 128, `${about}: ${done.stderr}${done.stdout}`);
  const complaints = complaintsOf(done);
  t.equal(complaints.length, 1, `${about}: one line: ${complaints.join(' | ')}`);
  t.match(complaints[0], says, about);
  t.equal(done.stdout, '', `${about}: nothing on stdout`);
  t.strictSame(
    await leftOvers(home, { files: ['cache/drafts', 'tmp'] }),
    [],
    `${about}: nothing left`,
  );
  t.ok(done.peakMiB < 300, `${about}: the harness needed ${done.peakMiB} MiB`);
}

const noSpace = /: no space left$/;

void t.test('a disk that fills while a run directory is written', async (t) => {
  await using home = await openHome();
  const whole = await runIn(home, [...flags, '--out', join(home.dir, 'whole')]);
  t.equal(whole.exitCode, 0, whole.stderr);
  const needed = await neededKib(t, home);
  const seed = faultSeed();
  const random = dice(seed);
  t.comment(`SPLAT_FAULT_SEED=${seed}; a run directory of ${needed} KiB`);
  const sizes = [
    { kib: 1024, inodes: 1 },
    { kib: 1024, inodes: 4 },
    { kib: 4 },
    { kib: 64 },
    ...Array.from({ length: 8 }, () => ({ kib: 4 + Math.floor(random() * (needed * 0.9)) })),
  ];
  for (const [at, size] of sizes.entries()) {
    await using mounts = await openMounts();
    const disk = join(home.dir, `disk-${at}`);
    await mountSmall(mounts, disk, size);
    const out = join(disk, 'run');
    const done = await runIn(home, [...flags, '--out', out], mounts);
    const about = `${size.kib} KiB${'inodes' in size ? `, ${size.inodes} inodes` : ''}`;
    await checkTold(t, home, done, about, noSpace);
    const seen = mounts.seen(out);
    t.strictSame(brokenJson(seen), [], `${about}: no file is half-written`);
    const drafts = filesBelow(seen).filter((name) => name.endsWith('.part'));
    t.strictSame(drafts, [], `${about}: no draft`);
  }
});

/** How many KiB of a small disk a run directory takes, measured with a run that has everything in its cache and enough room. */
async function neededKib(t: Test, home: Home): Promise<number> {
  await using mounts = await openMounts();
  const disk = join(home.dir, 'disk-enough');
  await mountSmall(mounts, disk, { kib: 64 * 1024 });
  const enough = await runIn(home, [...flags, '--out', join(disk, 'run')], mounts);
  t.equal(enough.exitCode, 0, enough.stderr);
  // Awaited here, because the disk is gone when this function returns.
  return await usedKib(mounts.seen(disk));
}

void t.test('a disk that fills during a night', async (t) => {
  await using home = await openHome();
  await using mounts = await openMounts();
  const matrix = join(home.dir, 'm.yaml');
  writeFileSync(
    matrix,
    'schema: splat-matrix/1\nkernels: [debian:6.1]\nworkloads: [munmap, mrelease]\n',
  );
  const disk = join(home.dir, 'disk');
  await mountSmall(mounts, disk, { kib: 140 });
  const args = ['nightly', matrix, '--out', join(disk, 'night')];
  const full = await runIn(home, args, mounts);
  t.equal(full.exitCode, 128, full.stderr);
  t.match(
    complaintsOf(full).at(-1),
    /no space left; finished results are kept in .*, and the same command continues there/,
  );
  t.strictSame(brokenJson(mounts.seen(disk)), [], 'no file is half-written');
  await mounts.run('mount', '-o', 'remount,size=100m', disk);
  const resumed = await runIn(home, args, mounts);
  t.equal(resumed.exitCode, 0, resumed.stderr);
  t.match(resumed.stderr, 'going on with night');
});

/** Mounts a small disk in the place of a home's cache, with all entries that it shares except the guests. */
async function mountCache(home: Home, mounts: Mounts, kib: number): Promise<void> {
  await mountSmall(mounts, home.cache, { kib });
  for (const kind of ['source', 'kernel', 'tool']) {
    const shared = join(home.cache, kind);
    await execa('cp', ['--archive', shared, mounts.seen(home.cache)]);
  }
}

void t.test('a disk that fills while guests and checkpoints are made', async (t) => {
  await using home = await openHome();
  for (const mib of [0.05, 1, 4, 16, 40, 64]) {
    await using mounts = await openMounts();
    await mountCache(home, mounts, mib * 1024);
    const done = await runIn(home, [...flags, '--out', join(home.dir, `run-${mib}`)], mounts);
    const about = `a cache of ${mib} MiB`;
    await checkTold(t, home, done, about, noSpace);
    const inside = mounts.seen(home.cache);
    t.strictSame(await halfEntries(inside), [], `${about}: no half entry`);
    t.strictSame(readdirSync(join(inside, 'drafts')), [], `${about}: no draft`);
  }
  await using mounts = await openMounts();
  await mountCache(home, mounts, 1024 * 1024);
  const enough = await runIn(home, [...flags, '--out', join(home.dir, 'enough')], mounts);
  t.equal(enough.exitCode, 0, enough.stderr);
});

void t.test('a disk that fills while a source is fetched', async (t) => {
  await using home = await openHome();
  await using mounts = await openMounts();
  await mountSmall(mounts, home.cache, { kib: 20 * 1024 });
  const done = await runIn(home, ['build'], mounts);
  await checkTold(t, home, done, 'a cache of 20 MiB', noSpace);
  const inside = mounts.seen(home.cache);
  t.strictSame(await halfEntries(inside), []);
  t.strictSame(readdirSync(join(inside, 'drafts')), []);
});

void t.test('a disk that fills while a kernel is built', async (t) => {
  await using home = await openHome();
  const names = await readdir(join(cacheRoot(), 'source'));
  const name =
    names
      .filter((one) => one.startsWith('linux-source-6.1_'))
      .toSorted()
      .at(-1) ?? '';
  const source = join(cacheRoot(), 'source', name);
  const sourceKib = await usedKib(source);
  for (const mib of [8, 40]) {
    await using mounts = await openMounts();
    await mountSmall(mounts, home.cache, { kib: sourceKib + mib * 1024 });
    const inside = mounts.seen(home.cache);
    await mkdir(join(inside, 'source'));
    await execa('cp', ['--archive', source, join(inside, 'source')]);
    const done = await runIn(home, ['build', '--kernel', 'debian:6.1'], mounts);
    await checkTold(t, home, done, `${mib} MiB beside the source`, noSpace);
    t.strictSame(await halfEntries(inside), []);
    t.strictSame(readdirSync(join(inside, 'drafts')), []);
  }
});

void t.test('a TMPDIR that is full', async (t) => {
  await using home = await openHome();
  const own = ['--workload', join(guests, 'flood.c'), '--duration', '1', '--', '/dev/null'];
  const rows: readonly [kib: number, args: readonly string[], says: RegExp][] = [
    [4, ['run', ...own], noSpace],
    [256, ['run', ...own], noSpace],
    // The guest writes to a temporary layer on top of its swap, which QEMU keeps there.
    [
      4096,
      ['run', '--workload', 'oom-global'],
      /cannot write the guest's swap to .*: no space left$/,
    ],
  ];
  for (const [at, [kib, args, says]] of rows.entries()) {
    await using mounts = await openMounts();
    await mountSmall(mounts, home.tmp, { kib });
    const [command = '', ...rest] = args;
    const out = join(home.dir, `run-${at}`);
    const done = await runIn(home, [command, '--out', out, ...rest], mounts);
    await checkTold(t, home, done, `${kib} KiB: ${args.join(' ')}`, says);
    t.strictSame(readdirSync(mounts.seen(home.tmp)), []);
  }
});

void t.test('a read-only cache is used when it has everything, and named when not', async (t) => {
  await using home = await openHome();
  await using mounts = await openMounts();
  const makeReadOnly = async (): Promise<void> => {
    await mounts.run('mount', '--bind', home.cache, home.cache);
    await mounts.run('mount', '-o', 'remount,bind,ro', home.cache);
  };
  await makeReadOnly();
  const cold = await runIn(home, [...flags, '--out', join(home.dir, 'cold')], mounts);
  await checkTold(t, home, cold, 'no checkpoint', /: read-only file system$/);
  await mounts.run('umount', home.cache);
  const warm = await runIn(home, [...flags, '--out', join(home.dir, 'warm')], mounts);
  t.equal(warm.exitCode, 0, warm.stderr);
  await makeReadOnly();
  const again = await runIn(home, [...flags, '--out', join(home.dir, 'again')], mounts);
  t.equal(again.exitCode, 0, `everything is there: ${again.stderr}`);
});
