/** The texts of `splat help TOPIC`, about verdicts, witnesses, kernels and workloads. */

import { toolRows } from '../stress/tool-list.ts';
import { workloads } from '../stress/workloads.ts';

export const topics: Readonly<Record<string, () => string>> = {
  verdicts: () => `\
A verdict says what a trial, a kernel or a patch amounts to. Of several verdicts the worst counts;
the worst is listed first.

  splat         The kernel complained, and nobody expected it. A panic, a lost guest and repeated
                silence count as well. Exit code 1.
  untestable    No workload could run: a patch did not apply, the final .config lacks a required
                line, the build failed, or the kernel did not boot. The end of the log is printed.
                Exit code 125.
  inconclusive  The run proves nothing. Exit code 125. The cause is one of
                  blind            a detector was dead, or console lines were lost
                  unexercised      a required witness stayed zero: the code under test did not run
                  canary-missed    a seeded bug was not reported
                  hung             the guest fell silent once
                  workload-failed  the workload ended with an error and without a splat
                  not-run          a workload that you named cannot run; the reason is printed
  clean         No splat, every detector alive to the end, every required witness non-zero, and
                every canary caught whose rule this kernel checks. Exit code 0.

A workload of splat's own that this kernel cannot run, or that a known bug excludes, is "not run" and
does not change the verdict of the run. A workload that was named (--workload) and cannot run makes
the run inconclusive.
`,
  witnesses: () => `\
A witness is a counter of the kernel that proves that the code under test ran.

  calls.F     how often the kernel called its function F, counted by ftrace
  vm.F        a field of /proc/vmstat; vm.F_* is the sum of the fields that begin alike
  driver.F    callbacks that the seeded-bug driver saw, by notifier and phase
  seeded      how often the seeded bug of a canary happened

A workload goes on until its duration is over and each of its required witnesses has moved, up to a
time limit. A witness that stays zero makes the trial inconclusive (unexercised), never clean. splat
names a required function that this kernel does not have.
result.json has the required counters as "witnesses" and every counter as "counters".
`,
  kernels: () => `\
--kernel takes

  debian:6.1              the newest linux-source-6.1 of the host's Debian mirror, any suite
  debian:newest           the newest kernel of the mirror
  debian:7.3.4-1~bpo13+1  one version; with @sha256:HEX behind it, only these bytes
  DIR                     a kernel tree as it is on disk, uncommitted edits included
  DIR@REV                 a commit of a git repository; its work tree stays untouched
  FILE.tar.xz             a source tarball

splat never writes to your tree. It needs no root to fetch a kernel. The kernel is built from
tinyconfig and the fragments of kernel-configs/, or from your own .config with --config-base.
A kernel that was built once is taken from the cache (splat cache).
`,
  workloads: () => `\
--workload takes a name, or the path of your own executable or .c file. Each name, with what the
kernel must have counted in its trial:

${workloads.map(({ name, witnesses }) => wrapList(name, witnesses)).join('\n')}

Tests and programs that others wrote. Only splat run takes them, and runs them only when their names
are given:

  igt, igt:PATTERN  tests of IGT
  kunit:SUITE       a suite of the kernel's own unit tests; * and ? match several
  kselftest:TARGET  the tree's selftests of mm, dmabuf-heaps, udmabuf, drivers/gpu
  ${toolRows
    .map(({ name }) => name)
    .join(', ')
    .replace(/(.{60,90}), /, '$1,\n  ')}
                    programs of Debian
`,
};

export const topicNames = Object.keys(topics);

/** A list with its name, `  name   a, b, c`, folded below its first item at 98 columns. */
function wrapList(name: string, items: readonly string[]): string {
  const indent = ' '.repeat(20);
  const lines: string[] = [];
  let line = `  ${name.padEnd(18)}`;
  for (const [index, item] of items.entries()) {
    const word = index === items.length - 1 ? item : `${item}, `;
    if (line.length + word.length > 98 && line.trim() !== name) {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += word;
  }
  return [...lines, line.trimEnd()].join('\n');
}
