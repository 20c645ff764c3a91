import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import loadWabt from 'wabt';

/**
 * The compiled form of the harness's WebAssembly: `npm run wasm` writes it; with --check the file is compared with what would be
 * written, and the exit code is 1 when it differs.
 */
const source = fileURLToPath(new URL('../harness/splat/word-search.wat', import.meta.url));
const target = fileURLToPath(new URL('../harness/splat/word-search-code.ts', import.meta.url));

async function compiled(): Promise<string> {
  const wabt = await loadWabt();
  const { buffer } = wabt
    .parseWat(source, readFileSync(source, 'utf8'), { simd: true })
    .toBinary({});
  const rows = (
    Buffer.from(buffer)
      .toString('base64')
      .match(/.{1,90}/g) ?? []
  ).map((row) => `  '${row}'`);
  return `/** word-search.wat in base64, compiled by \`npm run wasm\`. */\nexport const wordSearchCode =\n${rows.join(' +\n')};\n`;
}

const text = await compiled();
if (!process.argv.includes('--check')) writeFileSync(target, text);
else if (readFileSync(target, 'utf8') !== text) {
  console.error('harness/splat/word-search-code.ts: not as word-search.wat; npm run wasm');
  process.exitCode = 1;
}
