import { HarnessError } from '../errors.ts';
import { throwIfAborted } from '../host/process.ts';
import { openSandbox, pathInside, runSandboxed } from '../host/sandbox.ts';
import { libraryFolder, loaderPath } from './tools-image.ts';

/**
 * The time limit for a program to list its subtests, in seconds. A program that needs longer runs its subtests
 * instead of listing them.
 */
const listSeconds = 20;

/**
 * A shell script. For every program in the folder $2 of the image whose root is $1, it prints `== NAME` and then the program's
 * subtests.
 */
const listScript = `
for test in "$1$2"/*; do
  [ -f "$test" ] && [ -x "$test" ] || continue
  echo "== \${test##*/}"
  timeout ${listSeconds} "$1/${loaderPath}" --library-path "$1${libraryFolder}" "$test" --list-subtests 2>/dev/null
done
true
`;

/**
 * Returns the subtests of every program in a folder of an image, by the name of the program. `tree` is the root of the image.
 * Each program is run in the sandbox with `--list-subtests` (igt_core.c). The list is empty for a test without subtests, and for
 * a program that is no test of IGT. Throws `tool` when the sandbox cannot run the programs.
 */
export async function listSubtests(
  tree: string,
  folder: string,
  signal: AbortSignal,
): Promise<Readonly<Record<string, readonly string[]>>> {
  const sandbox = await openSandbox(signal);
  const mount = { host: tree, inside: '/splat/tools', writable: false };
  const args = ['-c', listScript, 'sh', pathInside(sandbox, mount), folder];
  const end = await runSandboxed(sandbox, 'sh', args, { signal, mounts: [mount], cwd: mount });
  throwIfAborted(signal);
  if (end.exitCode !== 0) {
    throw new HarnessError('tool', 'the test programs of IGT could not list their subtests', {
      output: end.stderr,
    });
  }
  const tests: Record<string, string[]> = {};
  let open: string[] = [];
  for (const line of end.stdout.split('\n')) {
    const name = /^== (\S+)$/.exec(line)?.[1];
    if (name !== undefined) tests[name] = open = [];
    else if (/^[A-Za-z0-9][\w.+-]*$/.test(line)) open.push(line);
  }
  return tests;
}
