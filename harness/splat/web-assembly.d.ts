/** What word-search.ts uses of the WebAssembly JavaScript Interface, which TypeScript has in its library for browsers only. */
declare namespace WebAssembly {
  class Memory {
    constructor(size: { readonly initial: number });
    /** The whole memory, a number of pages of 64 KiB. grow() replaces this buffer. */
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  const Module: new (code: Uint8Array) => Module;
  class Instance {
    constructor(
      module: Module,
      imports: Readonly<Record<string, Readonly<Record<string, Memory>>>>,
    );
    readonly exports: Readonly<Record<string, unknown>>;
  }
}
