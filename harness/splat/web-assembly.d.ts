/**
 * The part of the WebAssembly JavaScript Interface that word-search.ts uses. TypeScript declares this interface only in its
 * browser library.
 */
declare namespace WebAssembly {
  class Memory {
    constructor(size: { readonly initial: number });
    /** The whole memory, in pages of 64 KiB. grow() replaces this buffer. */
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
