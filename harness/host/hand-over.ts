/**
 * Acquires a resource and returns the value that `build` makes from the resource. The returned value owns the resource: its
 * disposal must dispose the resource. When `build` fails, the resource is disposed and the error is thrown.
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
