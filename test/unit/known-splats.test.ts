import { readFileSync } from 'node:fs';
import t from 'tap';
import { knownIn } from '../../harness/plans/run/baseline.ts';
import { writtenBy } from '../../harness/trial/harness-facts.ts';
import { isKnownTo, knownHang, settle } from '../../harness/trial/runner.ts';
import { inconclusive } from '../../harness/verdict.ts';
import { knownHangs, knownSplats } from '../../patches/known-splats.ts';
import { aSplat, aTrialResult } from '../made-records.ts';

const frame = (name: string) => ({ function: name, symbol: name });
const composed = {
  title: 'WARNING in compose_active_planes',
  signature: 'warning-1',
  stack: [frame('compose_active_planes'), frame('vkms_composer_worker')],
  text: [],
};

void t.test(
  'what an unpatched kernel is known to say does not decide on that kernel',
  async (t) => {
    t.equal(isKnownTo(knownIn([6, 1], undefined), composed), true);
    t.equal(
      isKnownTo(knownIn([5, 10], undefined), composed),
      false,
      'older than its first version',
    );
    const other = { ...composed, title: 'WARNING in compose_active_plane' };
    t.equal(isKnownTo(knownIn([6, 1], undefined), other), false);
    const elsewhere = { ...composed, stack: [frame('compose_active_planes'), frame('i915_x')] };
    t.equal(isKnownTo(knownIn([6, 1], undefined), elsewhere), false, 'another way to it');
  },
);

const commit = (driver: string) => [frame('disable_outputs'), frame(driver)];

void t.test('a follow-on of a known bug is known where that driver is on the stack', async (t) => {
  const seen = { title: 'WARNING in disable_outputs', signature: 'warning-3', text: [] };
  const known = knownIn([6, 1], undefined);
  t.equal(isKnownTo(known, { ...seen, stack: commit('vkms_atomic_commit_tail') }), true);
  t.equal(isKnownTo(known, { ...seen, stack: commit('drm_atomic_helper_commit_tail') }), false);
});

const said = (type: string, val: number) => ({
  title: 'BUG: Bad rss-counter state',
  signature: 'rss-1',
  stack: [],
  text: [
    `BUG: Bad rss-counter state mm:ff110000041c2300 type:${type} val:${val} Comm:fail-nth Pid:52`,
  ],
});

void t.test('a splat of any driver is known only in the workload that shows the bug', async (t) => {
  const seen = { title: 'WARNING in drm_mm_takedown', signature: 'warning-4', stack: [] };
  const text = ['[    2.344467][   T50]  drm_gem_init_release+0x15/0x20'];
  const known = knownIn([6, 1], undefined);
  t.equal(isKnownTo(known, { ...seen, text }, 'gpu-unbind-held'), true);
  t.equal(isKnownTo(known, { ...seen, text }, 'virtio-gpu'), false);
  t.equal(isKnownTo(known, { ...seen, text: [] }, 'gpu-unbind-held'), false);
  t.equal(isKnownTo(knownIn([7, 3], undefined), { ...seen, text }, 'gpu-unbind-held'), false);
});

void t.test('a vblank reference that vkms put too often may be that of a program', async (t) => {
  const seen = { title: 'WARNING in drm_vblank_put', signature: 'warning-5', stack: [] };
  const text = ['[   10.020528][   T47]  drm_crtc_get_sequence_ioctl+0x2b6/0x2e0'];
  const known = knownIn([6, 1], undefined);
  t.equal(isKnownTo(known, { ...seen, text }, 'vkms-races'), true);
  t.equal(isKnownTo(known, { ...seen, text }, 'igt'), false);
  const elsewhere = ['[   10.020528][   T47]  drm_atomic_helper_commit_tail+0x2b/0x2e0'];
  t.equal(isKnownTo(known, { ...seen, text: elsewhere }, 'vkms-races'), false);
});

void t.test('a report without a stack is known in its workload, and by what it says', async (t) => {
  const known = knownIn([7, 3], undefined);
  t.equal(isKnownTo(known, said('MM_ANONPAGES', 72), 'fail-nth'), true);
  t.equal(isKnownTo(known, said('MM_SHMEMPAGES', -72), 'fail-nth'), true);
  t.equal(isKnownTo(known, said('MM_ANONPAGES', -1), 'fail-nth'), false, 'the other way');
  t.equal(isKnownTo(known, said('MM_SWAPENTS', 1), 'fail-nth'), false);
  t.equal(isKnownTo(known, said('MM_ANONPAGES', 72), 'hmm'), false, 'another workload');
  t.equal(isKnownTo(known, said('MM_ANONPAGES', 72)), false, 'at boot');
  t.equal(isKnownTo(knownIn([6, 12], undefined), said('MM_ANONPAGES', 72), 'fail-nth'), false);
});

void t.test('a baseline is known on every kernel, by its signatures', async (t) => {
  const baseline = {
    signatures: new Set(['warning-2']),
    titles: new Set(['no output in vkms']),
    facts: { run: 'runs/a', harness: writtenBy(), trusted: true },
  };
  const known = knownIn([5, 10], baseline);
  const other = { title: 'WARNING in f', stack: [], text: [] };
  t.equal(isKnownTo(known, { ...other, signature: 'warning-2' }), true);
  t.equal(isKnownTo(known, { ...other, signature: 'warning-3' }), false);
  t.same([...known.titles], ['no output in vkms']);
});

void t.test('every known splat has its story', async (t) => {
  const stories = readFileSync(new URL('../../docs/found.md', import.meta.url), 'utf8');
  for (const { title } of knownSplats) t.ok(stories.includes(title), title);
});

// The stacks of both CPUs as QEMU showed them, shortened, when vkms was silent for 290 s on debian:6.1.
const disabling = [
  '_raw_spin_lock_irqsave+0x3e/0x60',
  'hrtimer_try_to_cancel+0x4b/0x120',
  'hrtimer_cancel+0x15/0x30',
  'vkms_disable_vblank+0x15/0x20',
  'drm_vblank_disable_and_save+0xbe/0x100',
  'drm_crtc_vblank_off+0xcf/0x280',
];
const timing = [
  'queued_spin_lock_slowpath+0x3b/0x310',
  'do_raw_spin_lock+0x9b/0xa0',
  '_raw_spin_lock_irqsave+0x46/0x60',
  'drm_handle_vblank+0x61/0x370',
  'drm_crtc_handle_vblank+0x17/0x20',
  'vkms_vblank_simulate+0x5b/0x140',
];
const stuck = (...stacks: readonly string[][]) =>
  aTrialResult({
    id: 'vkms',
    workload: 'vkms',
    verdict: inconclusive('hung', 'no result after 290 s'),
    hang: {
      frame: 'vkms_disable_vblank',
      asked: false,
      stacks: stacks.map((frames, cpu) => ({ cpu, mode: 'kernel', frames })),
    },
  });

void t.test('a guest that a known bug stopped is no splat; any other hang is one', async (t) => {
  const known = knownIn([6, 1], undefined);
  const both = stuck(disabling, timing);
  t.match(knownHang(known, both), /vblank timer/);
  t.match(settle('hung', both, known).verdict, { kind: 'inconclusive', because: 'hung' });
  const alone = stuck(disabling, ['do_swap_page+0x12/0x8b0']);
  t.equal(knownHang(known, alone), undefined, 'the timer is not in it');
  t.same(settle('hung', alone, known).verdict, {
    kind: 'splat',
    titles: ['no output in vkms (vkms_disable_vblank)'],
  });
  t.equal(knownHang(knownIn([5, 10], undefined), both), undefined, 'an older kernel');
  t.equal(knownHang(known, { ...both, verdict: { kind: 'clean' } }), undefined);
  t.equal(knownHang(undefined, both), undefined);
});

void t.test('a known report of what stops the guest stands for the stacks', async (t) => {
  const known = knownIn([6, 1], undefined);
  const report = {
    title: 'INFO: task hung in userfaultfd_release',
    stack: [frame('__schedule'), frame('down_write'), frame('userfaultfd_release')],
  };
  const silent = (title: string) =>
    aTrialResult({
      id: 'userfaultfd',
      workload: 'userfaultfd',
      verdict: inconclusive('hung', 'no result after 231 s'),
      splats: [aSplat({ ...report, title })],
    });
  t.match(knownHang(known, silent(report.title)), /MADV_POPULATE/);
  t.equal(knownHang(known, silent('INFO: task hung in m_start')), undefined);
  t.equal(knownHang(knownIn([6, 12], undefined), silent(report.title)), undefined, 'cured there');
});

void t.test('each known hang is told in docs/found.md', async (t) => {
  const found = readFileSync(new URL('../../docs/found.md', import.meta.url), 'utf8');
  for (const { stuck } of knownHangs) for (const name of stuck) t.match(found, `\`${name}()\``);
});
