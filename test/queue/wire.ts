import { connect, createServer, type Socket } from 'node:net';

/**
 * A relay to a port of this host that can be cut: then all bytes, also those that close a connection, are swallowed, and no side
 * learns of it.
 */
export interface Wire extends AsyncDisposable {
  readonly port: number;
  readonly cut: () => void;
  /** Ends the cut. Connections that existed during the cut stay dead; new ones work. */
  readonly mend: () => void;
}

export async function openWire(to: number): Promise<Wire> {
  let isCut = false;
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (near) => {
    open.add(near.on('error', () => undefined));
    near.on('close', () => open.delete(near));
    if (isCut) return void near.resume();
    const far = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true });
    open.add(far.on('error', () => undefined));
    let isDead = false;
    const relay = (from: Socket, into: Socket): void => {
      from.on('data', (bytes) => {
        isDead ||= isCut;
        if (!isDead) into.write(bytes);
      });
      from.on('end', () => {
        isDead ||= isCut;
        if (!isDead) from.end();
      });
      from.on('close', () => {
        open.delete(from);
        isDead ||= isCut;
        if (!isDead) into.destroy();
      });
    };
    relay(near, far);
    relay(far, near);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    cut: () => void (isCut = true),
    mend: () => void (isCut = false),
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

/** The URL of a server through a wire to it. */
export function through(url: string, wire: Wire): string {
  const changed = new URL(url);
  changed.port = String(wire.port);
  return changed.href;
}
