import t from 'tap';
import { placeFunctions } from '../../harness/host/compile-units.ts';
import {
  countFunctions,
  gatherCoverage,
  readCoverageOf,
} from '../../harness/plans/run/coverage.ts';
import { compareCoverage, describeCoverage } from '../../harness/report/coverage-text.ts';
import { quickWorkloads } from '../../harness/stress/quick-workloads.ts';
import {
  readCallers,
  readShownCalls,
  shownName,
  watchFunctions,
} from '../../harness/stress/watched-files.ts';
import { workloads } from '../../harness/stress/workloads.ts';
import type { TrialCoverage } from '../../harness/trial/coverage.ts';

// As binutils 2.40 print them of a vmlinux of ours.
const symbols = `\
ffffffff81000000 T start_kernel
ffffffff81100000 t helper
ffffffff81100040 T do_wp_page
ffffffff81200000 t helper
ffffffff81200080 T drm_open
ffffffff812000c0 W drm_weak
ffffffff82000000 D some_data
`;
const aranges = `\
Contents of the .debug_aranges section:

  Length:                   60
  Version:                  2
  Offset into .debug_info:  0
  Pointer Size:             8
  Segment Size:             0

    Address            Length
    ffffffff81000000 000000000000026c
    0000000000000000 0000000000000000
  Offset into .debug_info:  0x46

    Address            Length
    ffffffff81100000 0000000000000100
  Offset into .debug_info:  0x1d3e

    Address            Length
    ffffffff81200000 0000000000000200
`;
const units = `\
  Compilation Unit @ offset 0:
    <15>   DW_AT_name        : (indirect string, offset: 0): /splat/src/init/main.c
  Compilation Unit @ offset 0x46:
    <53>   DW_AT_producer    : (indirect string, offset: 0x3f8): GNU C11 12.2.0 -O2
    <58>   DW_AT_name        : (indirect line string, offset: 0x4f): /splat/src/mm/memory.c
  Compilation Unit @ offset 0x1d3e:
    <1d4f>   DW_AT_name        : drivers/gpu/drm/drm_file.c
`;

void t.test('functions are placed in the files that were compiled', (t) => {
  const placed = placeFunctions(symbols, aranges, units);
  t.strictSame(
    placed.map(({ name, file }) => `${name} ${file}`),
    [
      'start_kernel /splat/src/init/main.c',
      'helper /splat/src/mm/memory.c',
      'do_wp_page /splat/src/mm/memory.c',
      'helper drivers/gpu/drm/drm_file.c',
      'drm_open drivers/gpu/drm/drm_file.c',
      'drm_weak drivers/gpu/drm/drm_file.c',
    ],
  );
  t.end();
});

void t.test(
  'what is watched: functions of some files, by their line in the list of ftrace',
  (t) => {
    const placed = placeFunctions(symbols, aranges, units);
    const both = watchFunctions(
      'start_kernel\nhelper\ndo_wp_page\nhelper [mod]\ndrm_open\n',
      placed,
    );
    t.strictSame(
      both.map(({ name, file, index }) => `${index} ${name} ${file}`),
      [
        '2 helper mm/memory.c',
        '3 do_wp_page mm/memory.c',
        '4 helper drivers/gpu/drm/drm_file.c',
        '5 drm_open drivers/gpu/drm/drm_file.c',
      ],
    );
    const own = watchFunctions('do_wp_page\nhelper [mine]\nhelper [other]\n', placed, ['mine']);
    t.strictSame(
      own.map(({ name, file, index }) => `${index} ${name} ${file}`),
      ['1 do_wp_page mm/memory.c', '2 helper mine.ko'],
      "a module of the user's is a file of its own",
    );
    const one = watchFunctions('helper\ndo_wp_page\n', placed);
    t.strictSame(
      one.map(({ name }) => name),
      ['do_wp_page'],
      'which helper it is cannot be told: it is left out',
    );
    for (const root of ['/splat/src/', '/home/me/.cache/splat/workspace/f-1000/src/', './', '']) {
      const joined = watchFunctions('kvm_init\nfault\n', [
        { name: 'start_kernel', file: `${root}init/main.c` },
        { name: 'kvm_init', file: `${root}arch/x86/kvm/../../../virt/kvm/kvm_main.c` },
        { name: 'fault', file: `${root}arch/x86/mm/fault.c` },
      ]);
      t.strictSame(
        joined.map(({ file }) => file),
        ['virt/kvm/kvm_main.c'],
        `sources below "${root}"`,
      );
    }
    const names = ['x_show', 'x_store', 'x_show.isra.0', 'x_shown', 'fs_reclaim_acquire'];
    const left = watchFunctions(
      names.join('\n'),
      names.map((name) => ({ name, file: 'mm/slub.c' })),
    );
    t.strictSame(
      left.map(({ name }) => name),
      ['x_shown'],
    );
    t.end();
  },
);

void t.test('callers and calls are read from what ftrace prints', (t) => {
  const trace = `\
# tracer: function
          munmap-64      [000] ...1.    97.834167: __mmu_notifier_invalidate_range_start <-zap_page_range_single
          munmap-61      [000] ...1.    97.952437: __mmu_notifier_invalidate_range_start <-unmap_vmas.isra.0
`;
  t.strictSame(readCallers(trace), ['unmap_vmas', 'zap_page_range_single']);
  const table = `\
  Function                               Hit    Time            Avg             s^2
  --------                               ---    ----            ---             ---
  do_idle                                170    13281244 us     78124.96 us     523692554 us 
`;
  t.strictSame(readShownCalls([table, table]), { do_idle: 340 });
  t.end();
});

const functions = [
  { name: 'do_wp_page', file: 'mm/memory.c', index: 1 },
  { name: 'never_called', file: 'mm/memory.c', index: 2 },
  { name: '__mmu_notifier_invalidate_range_start', file: 'mm/mmu_notifier.c', index: 3 },
  { name: '__mmu_notifier_invalidate_range_end', file: 'mm/mmu_notifier.c', index: 4 },
  { name: 'split.part.0', file: 'mm/mmu_notifier.c', index: 5 },
];

function coverageOf(calls: readonly string[], ioctls: readonly number[]) {
  const seen: TrialCoverage = {
    calls: Object.fromEntries(calls.map((name) => [shownName(name), 1])),
    callers: ['unmap_vmas'],
    ioctls,
  };
  return gatherCoverage(
    { seen: new Map([['munmap', seen]]), functions: () => functions },
    { id: 'k', release: '6.1.192', source: 'debian:6.1' },
    [
      { counters: { 'driver.event_unmap': 3, 'vm.pswpin': 9 } },
      { counters: { 'driver.event_unmap': 4 } },
    ],
  );
}

void t.test('what ran, what never did, and what cannot be told apart', (t) => {
  const coverage = coverageOf(
    ['do_wp_page', '__mmu_notifier_invalidate_range_start', 'split.part.0'],
    [0x4008_6409],
  );
  t.strictSame(coverage.files, [
    {
      file: 'mm/memory.c',
      ran: [{ name: 'do_wp_page', trials: ['munmap'] }],
      never: ['never_called'],
      unclear: [],
    },
    {
      file: 'mm/mmu_notifier.c',
      ran: [{ name: 'split', trials: ['munmap'] }],
      never: [],
      unclear: ['__mmu_notifier_invalidate_range_end', '__mmu_notifier_invalidate_range_start'],
    },
  ]);
  t.strictSame(countFunctions(coverage), { ran: 2, watched: 5 });
  t.strictSame(coverage.events, { unmap: 7 });
  const text = describeCoverage(coverage, { full: true });
  t.match(text, "'d' 0x09, 8 bytes");
  t.match(text, 'never: never_called');
  t.end();
});

void t.test('a record that cannot be read is named with its folder', async (t) => {
  const dir = t.testdir({ 'coverage.json': '{' });
  const message = `${dir}/coverage.json is not readable as JSON`;
  await t.rejects(readCoverageOf(dir), { code: 'usage', message });
});

void t.test('two coverages differ in what only one of them has', (t) => {
  const before = coverageOf(['do_wp_page'], [0x4008_6409]);
  const now = coverageOf(['never_called'], []);
  t.strictSame(compareCoverage(before, now), {
    functions: { more: ['mm/memory.c: never_called'], less: ['mm/memory.c: do_wp_page'] },
    callers: { more: [], less: [] },
    ioctls: { more: [], less: ["'d' 0x09, 8 bytes"] },
  });
  t.end();
});

void t.test('the short set is of the table', (t) => {
  const names = workloads.map(({ name }) => name);
  t.strictSame(
    quickWorkloads.filter((name) => !names.includes(name)),
    [],
  );
  t.end();
});
