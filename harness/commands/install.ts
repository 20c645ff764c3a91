import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { HarnessError } from '../errors.ts';
import { installMissing, type Need, needs } from '../host/packages.ts';
import { plain } from '../report/plain.ts';
import type { CommandContext } from './context.ts';

/**
 * Installs the missing Debian packages among the packages that every run needs and the packages in `more`. Asks first on a
 * terminal, unless CI=true. Does not ask without a terminal. All output goes to stderr. Throws `tool` when the packages cannot be
 * installed, and when the answer is no.
 */
export async function installPackages(
  context: CommandContext,
  more: readonly Need[] = [],
): Promise<void> {
  const { stderr, stdin, signal, env } = context;
  await installMissing({
    needs: [...needs, ...more],
    signal,
    unattended: env['CI'] === 'true' || !('isTTY' in stdin && stdin.isTTY === true),
    ask: async (question) => {
      const terminal = createInterface({ input: stdin, output: stderr });
      try {
        const closed = once(terminal, 'close').then(() => 'n');
        const answer = await Promise.race([terminal.question(question, { signal }), closed]);
        return /^y(es)?$/i.test(answer.trim());
      } catch (cause) {
        // While readline asks, it handles Ctrl-C itself.
        throw new HarnessError('interrupted', 'interrupted', { cause });
      } finally {
        terminal.close();
      }
    },
    onStart: (packages) => stderr.write(`installing ${packages.join(' ')}\n`),
    onLine: (line) => {
      if (context.live) stderr.write(`\r\u001B[K${plain(line).slice(0, 100)}`);
    },
  });
}
