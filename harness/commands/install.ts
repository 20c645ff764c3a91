import { createInterface } from 'node:readline/promises';
import { installMissing } from '../host/packages.ts';
import { plain } from '../report/plain.ts';
import type { CommandContext } from './context.ts';

/** Installs the Debian packages a run needs; asks on a terminal. Everything it says goes to stderr. */
export async function installPackages(context: CommandContext): Promise<void> {
  const { stderr, stdin, signal, env } = context;
  await installMissing({
    signal,
    unattended: env['CI'] === 'true' || !('isTTY' in stdin && stdin.isTTY === true),
    ask: async (question) => {
      const terminal = createInterface({ input: stdin, output: stderr });
      try {
        return /^y(es)?$/i.test((await terminal.question(question, { signal })).trim());
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
