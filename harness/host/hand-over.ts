/**
 * Acquires a resource and builds a value that owns it. When building fails, the resource is disposed, so a caller gets a live value
 * or nothing.
 */
export async function handOver<R extends AsyncDisposable, T>(
  acquiring: Promise<R>,
  build: (resource: R) => Promise<T>,
): Promise<T> {
  // biome-ignore lint/nursery/useDisposables: the point is to give it away
  const resource = await acquiring;
  try {
    return await build(resource);
  } catch (error) {
    await resource[Symbol.asyncDispose]();
    throw error;
  }
}
