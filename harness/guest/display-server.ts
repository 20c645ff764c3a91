import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../errors.ts';
import { startDeadline } from '../host/deadline.ts';
import { type Child, killGroup, startTool, tail, throwIfAborted } from '../host/process.ts';

/** An X server without a screen, for one QEMU. Disposing of it ends the server. */
export interface DisplayServer extends AsyncDisposable {
  /** The environment variables with which a program opens a window on this X server. The CPU draws the window's content. */
  readonly env: Readonly<Record<string, string>>;
  /** The path of a file, in the format of xwd(1), with what the server's screen shows. The server keeps the file up to date. */
  readonly framebuffer: string;
}

const startTimeoutMs = 20_000;
const serverFlags = '-displayfd 3 -nolisten tcp -noreset -screen 0 640x480x24'.split(' ');
const cookieName = 'MIT-MAGIC-COOKIE-1';

/**
 * Starts the X server Xvfb(1) with its files in `dir`, which no other user may enter. A client needs the cookie in one of these
 * files. The server takes a free display number and reports it over `-displayfd`. Throws `tool` when Xvfb is not installed or
 * does not start within 20 s.
 */
export async function startDisplayServer(dir: string, signal: AbortSignal): Promise<DisplayServer> {
  const authority = join(dir, 'xauthority');
  await writeFile(authority, authorityFile(randomBytes(16)), { mode: 0o600 });
  const child = startTool('Xvfb', [...serverFlags, '-auth', authority, '-fbdir', dir], {
    signal,
    channels: 1,
  });
  const [channel] = child.channels;
  const end = async (): Promise<void> => {
    killGroup(child.pid, 'SIGTERM');
    await child.ended;
  };
  if (channel === undefined)
    throw new HarnessError('internal', 'Xvfb was started without the pipe for its display number');
  channel.on('error', () => undefined);
  using _deadline = startDeadline(signal, startTimeoutMs, () => killGroup(child.pid, 'SIGKILL'));
  const number = /^(\d+)\n/.exec(await Promise.race([lineOf(channel), endOf(child)]))?.[1];
  if (number === undefined) {
    await end();
    throwIfAborted(signal);
    const { exitCode, stderr } = await child.ended;
    const why = exitCode === 127 ? 'is not installed: apt-get install xvfb' : 'did not start';
    throw new HarnessError('tool', `Xvfb, the X server for the guest's GPU, ${why}`, {
      output: tail(stderr),
    });
  }
  return {
    env: {
      DISPLAY: `:${number}`,
      XAUTHORITY: authority,
      LIBGL_ALWAYS_SOFTWARE: '1',
      // SDL would otherwise start a bus, and QEMU's seccomp sandbox would then end QEMU.
      DBUS_SESSION_BUS_ADDRESS: 'disabled:',
    },
    framebuffer: join(dir, 'Xvfb_screen0'),
    [Symbol.asyncDispose]: end,
  };
}

/**
 * Returns what the channel sends up to the first newline, or up to its end. Xvfb writes the number and the newline with two
 * calls, so more than one read may be needed.
 */
async function lineOf(channel: AsyncIterable<unknown>): Promise<string> {
  let text = '';
  for await (const part of channel) {
    text += String(part);
    if (text.includes('\n')) break;
  }
  return text;
}

async function endOf(child: Child): Promise<string> {
  await child.ended;
  return '';
}

/** The content of an authority file (libXau) with one entry, which is valid for every host and display (FamilyWild of Xauth.h). */
function authorityFile(cookie: Uint8Array): Buffer {
  const empty = Buffer.alloc(0);
  const parts = [empty, empty, Buffer.from(cookieName), cookie].map((bytes) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(bytes.length);
    return Buffer.concat([length, bytes]);
  });
  return Buffer.concat([Buffer.from([0xff, 0xff]), ...parts]);
}
