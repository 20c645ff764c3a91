/** What word-search.ts uses of the WebAssembly JavaScript Interface, which TypeScript has in its library for browsers only. */
declare namespace WebAssembly {
  class Memory {
    constructor(size: { readonly initial: number });
    /** Of 64 KiB pages; replaced by `grow`. */
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
